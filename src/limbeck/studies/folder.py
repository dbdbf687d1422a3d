"""A study on the disk: whose folder it is, and who works there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from limbeck.errors import RequestError
from limbeck.files import holding, write_text

RESOLVED = "resolved.yaml"
"""The study as it was understood; a folder that has it is a study's."""


def check_folder(folder: Path) -> None:
    """Refuse a folder that belongs to something else; writes nothing.

    Raises:
        RequestError: Names what is there.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError("the output is a file", where=str(folder), mend="name a folder")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    # Of a study that was killed as it began there is the lock alone.
    if there - {".lock"} and RESOLVED not in there:
        raise RequestError(
            "the output folder holds files that are no study of Limbeck's",
            where=f"{folder}: {', '.join(sorted(there)[:3])}",
            mend="name an empty or new folder with output=",
        )


@contextlib.contextmanager
def held(folder: Path, resolved: str) -> Iterator[None]:
    """Hold the folder for this process, and keep the study there as it was understood.

    Raises:
        RequestError: It belongs to something else, or another process works there.
    """
    check_folder(folder)
    with holding(folder, "study"):
        write_text(folder / RESOLVED, resolved)
        yield
