"""Work that several runs have in common, done once: found by a hash of all that it depends on."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from limbeck.files import new_folder, write_json

RESULT = "result.json"


class Shared:
    """A folder of finished stages. Whoever needs one first does it, and the others wait for it.

    A process that dies while it works gives its place to the next.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = path

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """Be the only one, on this machine, who works at what has this key."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def has(self, key: str) -> bool:
        """Whether somebody has finished it."""
        return (self.path / key / RESULT).exists()

    def take(self, key: str, folder: Path) -> dict[str, Any] | None:
        """Copy what was made under a key into a run's folder.

        Returns:
            The stage's result, or None where nobody has finished it.
        """
        kept = self.path / key
        if not self.has(key):
            return None
        files = kept / "files"
        for source in sorted(p for p in files.rglob("*") if p.is_file()):
            _put(source, folder / source.relative_to(files))
        found: dict[str, Any] = json.loads((kept / RESULT).read_text(encoding="utf-8"))
        return found

    def give(self, key: str, folder: Path, names: Sequence[str], result: dict[str, Any]) -> None:
        """Keep files and folders of a run under a key, whole or not at all.

        Args:
            key: The hash of what they depend on.
            folder: The run's.
            names: Files and folders below it; a name may end in ``*``. Those that are not there
                are left out.
            result: The stage's.
        """
        with new_folder(self.path / key) as partial:
            for name in names:
                for place in sorted(folder.glob(name)):
                    files = place.rglob("*") if place.is_dir() else [place]
                    for source in sorted(p for p in files if p.is_file()):
                        _put(source, partial / "files" / source.relative_to(folder))
            write_json(partial / RESULT, result)


def _put(source: Path, target: Path) -> None:
    """The same file at another place; weights, which nobody changes in place, take no room twice."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # of a process that was killed here: perhaps the same file
    if source.suffix == ".safetensors":
        with suppress(OSError):  # another file system
            os.link(source, target)
            return
    shutil.copy2(source, target)
