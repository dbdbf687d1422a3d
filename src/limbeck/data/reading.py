"""Rows from a local file or folder, each with the place where it stands."""

import re
from pathlib import Path

from limbeck.data.files import READERS, SUFFIXES, Rows
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError

_HELD_OUT = ("test", "validation", "valid", "val", "dev", "eval")


def read_local(path: Path) -> Rows:
    """Rows of a file, or of every data file in a folder in the order of their names.

    Args:
        path: A ``.jsonl``, ``.json``, ``.parquet`` or ``.csv`` file, a folder of such files, or a
            folder that ``datasets`` saved.

    Yields:
        Where the row stands, such as ``data.jsonl, line 3``, and its values by column.

    Raises:
        RequestError: The path does not exist, or holds something else; where a line is at fault
            it is named, counted from 1.
    """
    if path.is_dir():
        if (path / "state.json").is_file():
            yield from _saved(path)
            return
        for file in _files(path):
            yield from _read_file(file)
        return
    if not path.is_file():
        raise _missing(path)
    yield from _read_file(path)


def _read_file(path: Path) -> Rows:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise RequestError(
            f"{path.name} is not a kind of data file that is known",
            where=str(path),
            mend=f"use one of {', '.join(SUFFIXES)}",
        )
    try:
        yield from reader(path)
    except OSError as error:
        raise RequestError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def _missing(path: Path) -> RequestError:
    folder = path.parent
    if not folder.is_dir():
        return RequestError("no such folder", where=str(folder), mend="check the path")
    names = [p.name for p in folder.iterdir() if p.is_dir() or p.suffix.lower() in SUFFIXES]
    return RequestError(
        f"no such file: {path.name}", where=str(folder), mend=did_you_mean(path.name, names)
    )


def _files(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise RequestError(
            "the folder holds no data files",
            where=str(folder),
            mend=f"put files with one of {', '.join(SUFFIXES)} there, or name another folder",
        )
    # Reading everything would quietly train on what was held out.
    held_out = [p for p in files if re.split(r"[-_.]", p.name.lower())[0] in _HELD_OUT]
    if held_out and len(held_out) < len(files):
        others = [p for p in files if p not in held_out]
        other = next((p for p in others if p.name.lower().startswith("train")), others[0])
        raise RequestError(
            f"the folder holds held-out rows ({held_out[0].name}) beside other files",
            where=str(folder),
            mend=f"name the files: source: {other}, test: {held_out[0]}",
        )
    return files


def _saved(folder: Path) -> Rows:
    import datasets

    for number, row in enumerate(datasets.load_from_disk(str(folder)), 1):
        yield f"{folder}, row {number}", row
