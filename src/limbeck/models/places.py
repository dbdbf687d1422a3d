"""Where models lie, and what tells one from another."""

import functools
import hashlib
import re
from pathlib import Path

from limbeck.errors import RequestError
from limbeck.recipe import ModelSpec


def place(spec: ModelSpec) -> str | None:
    """Hub id or folder to load from; a finished run means the student it made.

    A model behind a server is nowhere: what it is called there may be a folder's name here.

    Raises:
        RequestError: The spec names checkpoints that are not there.
    """
    if spec.server is not None:
        return None
    kept = checkpoints(spec) if spec.checkpoints is not None else []
    if spec.model is None:
        return str(kept[0]) if kept else None
    folder = Path(spec.model).expanduser()
    if (folder / "student" / "config.json").is_file():
        return str(folder / "student")
    return str(folder) if folder.exists() else spec.model


def checkpoints(spec: ModelSpec) -> list[Path]:
    """Folders of the checkpoints that a spec names, in natural order: 500 before 1000.

    Raises:
        RequestError: There are fewer than two, of two kinds, or adapters without a base.
    """
    folder = Path(spec.checkpoints or "").expanduser()
    where = f"teacher.checkpoints: {folder}"
    inside = sorted(folder.iterdir(), key=_natural) if folder.is_dir() else []
    found = [path for path in inside if is_adapter(path) or _is_model(path)]
    if len(found) < 2:
        raise RequestError(
            f"a teacher's path has at least two checkpoints, and here {'is one' if found else 'is none'}",
            where=where,
            mend="name the folder whose subfolders are models (config.json, *.safetensors) "
            "or PEFT adapters (adapter_config.json, *.safetensors)",
        )
    kinds = {is_adapter(path) for path in found}
    if len(kinds) > 1:
        adapter = next(path.name for path in found if is_adapter(path))
        model = next(path.name for path in found if not is_adapter(path))
        raise RequestError(
            f"some checkpoints are adapters and some are models: {adapter}, {model}",
            where=where,
            mend="keep the checkpoints of one fine-tuning in the folder",
        )
    if kinds == {True} and spec.model is None:
        raise RequestError(
            "these checkpoints are adapters, and their base is not named",
            where=where,
            mend="add teacher.model: the hub id or folder that they were trained on",
        )
    return found


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a PEFT adapter."""
    return (folder / "adapter_config.json").is_file() and any(folder.glob("*.safetensors"))


def fingerprint(spec: ModelSpec) -> str:
    """A hash of what a spec means: of the files of a folder, wherever it is, else of the words."""
    unsaid = {"sft", "keep_checkpoints", "checkpoints", "noise", *spec.ASKING}
    unsaid |= {"model"} if Path(place(spec) or "").is_dir() and place(spec) else set()
    unsaid |= {"adapter"} if spec.adapter and Path(spec.adapter).is_dir() else set()
    words = spec.model_dump_json(exclude=unsaid)
    digest = hashlib.blake2b(words.encode(), digest_size=16)
    if spec.server is not None:  # wherever it is now
        digest.update(b"served")
    path = checkpoints(spec) if spec.checkpoints is not None else []
    for source in (place(spec), spec.adapter, *path):
        folder = Path(source) if source else None
        if folder and folder.is_dir():
            for file in sorted(folder.glob("*")):
                if file.suffix in (".safetensors", ".json"):
                    digest.update(file.name.encode())
                    digest.update(file_hash(file))
    return digest.hexdigest()


def file_hash(file: Path) -> bytes:
    """Of what a file holds. Weights are large: unless it has changed, it is read once."""
    stat = file.stat()
    return _file_hash(file, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _file_hash(file: Path, size: int, modified: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _natural(path: Path) -> list[str | int]:
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts]
