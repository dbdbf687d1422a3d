"""What a cache says of itself, and whether it is what a run needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limbeck.caching.shards import damage
from limbeck.errors import RequestError
from limbeck.files import write_json

FILE = "cache.json"
JOURNAL = "shards.jsonl"
SCHEMA = "limbeck.cache/1"


@dataclass(frozen=True)
class Origin:
    """What a cache was computed from. Each part is compared with a run that would use it.

    Attributes:
        teacher: ``name`` and ``hash`` of the weights.
        tokenizer: ``name`` and ``hash`` of what it maps.
        template: ``hash`` of the chat template, or nothing where none was used.
        settings: How rows became token ids: recipe key to value.
        data: ``source``, and ``hash`` of the token ids of its training rows.
        seed: Of the run; not compared, because what it led to is in the cache.
    """

    teacher: dict[str, str]
    tokenizer: dict[str, str]
    template: dict[str, str]
    settings: dict[str, Any]
    data: dict[str, str]
    seed: int

    def difference(self, now: "Origin", parts: tuple[str, ...]) -> tuple[str, str, str] | None:
        """The first part that differs: its name, what it was, and what it is now."""
        for part in parts:
            was, is_ = getattr(self, part), getattr(now, part)
            if part == "settings":
                for name in [*is_, *(n for n in was if n not in is_)]:
                    if was.get(name) != is_.get(name):
                        return name, repr(was.get(name)), repr(is_.get(name))
            elif was.get("hash") != is_.get("hash"):
                return part, _short(was), _short(is_)
        return None


@dataclass(frozen=True)
class File:
    """A file of a cache.

    Attributes:
        file: Its name.
        bytes: Its size.
        blake2b: Its checksum.
        sequences: Of a shard: how many it holds.
        tokens: Of a shard: supervised tokens.
    """

    file: str
    bytes: int
    blake2b: str
    sequences: int = 0
    tokens: int = 0

    def damage(self, folder: Path) -> str:
        """What is wrong with it now; empty if it is as it was written."""
        return damage(folder / self.file, self.bytes, self.blake2b)


@dataclass(frozen=True)
class Manifest:
    """The file that makes a folder a cache; written last.

    Attributes:
        limbeck: Version that wrote it.
        encoding: Name and parameters.
        origin: What it was computed from.
        head: Scale, soft cap and bias of the teacher's head, for hidden states.
        shards: In the order of the sequences.
        files: All others.
        schema: Version of this format.
    """

    limbeck: str
    encoding: dict[str, Any]
    origin: Origin
    head: dict[str, Any]
    shards: list[File]
    files: list[File] = field(default_factory=list)
    schema: str = SCHEMA

    @property
    def tokens(self) -> int:
        """Supervised tokens."""
        return sum(s.tokens for s in self.shards)

    @property
    def sequences(self) -> int:
        """Sequences."""
        return sum(s.sequences for s in self.shards)

    @property
    def bytes(self) -> int:
        """Size of the shards."""
        return sum(s.bytes for s in self.shards)

    def write(self, folder: Path) -> None:
        """Make the folder a cache."""
        counts = {"tokens": self.tokens, "sequences": self.sequences}
        write_json(folder / FILE, {"schema": self.schema, **counts, **asdict(self)})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a cache.

    Raises:
        RequestError: The folder holds none, or one that is not finished.
    """
    file = folder / FILE
    if not file.exists():
        unfinished = (folder / JOURNAL).exists() or (folder / "recipe.yaml").exists()
        raise RequestError(
            "this cache is not finished" if unfinished else "this folder holds no teacher cache",
            where=str(folder),
            mend="run the same limbeck cache command again: it goes on where it was"
            if unfinished
            else "limbeck cache RECIPE --output FOLDER makes one",
        )
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise RequestError(
                f"this cache is of another format: {found['schema']}",
                where=str(file),
                mend=f"make it again; this version reads {SCHEMA}",
            )
        return Manifest(
            limbeck=found["limbeck"],
            encoding=found["encoding"],
            origin=Origin(**found["origin"]),
            head=found["head"],
            shards=[File(**s) for s in found["shards"]],
            files=[File(**s) for s in found["files"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"this is no manifest of a teacher cache: {type(error).__name__} {error}",
            where=str(file),
            mend="limbeck cache RECIPE --output FOLDER makes a cache",
        ) from None


def _short(part: Mapping[str, str]) -> str:
    """A part in a few words."""
    name = part.get("name", part.get("source", ""))
    return f"{name} ({part['hash'][:12]})".strip() if "hash" in part else "none"
