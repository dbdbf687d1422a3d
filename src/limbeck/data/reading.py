"""Rows from local files, each with the place where it stands."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]

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
        other = next(p for p in files if p not in held_out)
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


def _decode(raw: bytes, path: Path, offset: int = 0, line: int = 1) -> str:
    """Text of `raw`, which starts at byte `offset` and line `line` of the file."""
    try:
        return raw.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        # The codec counts from behind a byte-order mark.
        start = error.start + (len(raw) - len(error.object))
        at_line = line + raw[:start].count(b"\n")
        raise RequestError(
            f"not UTF-8: byte 0x{raw[start]:02x} cannot stand at byte offset {offset + start}",
            where=f"{path}, line {at_line}",
            mend="save the file as UTF-8, for example with: iconv -f LATIN1 -t UTF-8",
        ) from error


def _parse(text: str, path: Path, line: int = 1) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        at = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise RequestError(
            f"not JSON: {getattr(error, 'msg', 'nested too deeply')} (column {at[1]})",
            where=f"{path}, line {line + at[0] - 1}",
            mend="mend or remove the line",
        ) from error


def _object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise RequestError(
            f"a row is an object with columns, not {type(value).__name__}",
            where=where,
            mend='write rows such as {"prompt": "...", "completion": "..."}',
        )
    return value


def _json_lines(path: Path) -> Rows:
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            text = _decode(raw, path, offset, number)
            offset += len(raw)
            if text.strip():
                where = f"{path}, line {number}"
                yield where, _object(_parse(text, path, number), where)


def _json(path: Path) -> Rows:
    text = _decode(path.read_bytes(), path)
    if text.lstrip().startswith("{"):
        try:
            value = [json.loads(text)]
        except (json.JSONDecodeError, RecursionError):  # JSON lines under another name
            yield from _json_lines(path)
            return
    else:
        value = _parse(text, path) if text.strip() else []
    if not isinstance(value, list):
        raise RequestError(
            f"the file holds {type(value).__name__}, not a list of rows",
            where=str(path),
            mend="write a list of objects, or one object per line",
        )
    for number, row in enumerate(value, 1):
        where = f"{path}, row {number}"
        yield where, _object(row, where)


def _csv(path: Path) -> Rows:
    # The whole text at once, because a quoted cell may contain line breaks.
    reader = csv.DictReader(io.StringIO(_decode(path.read_bytes(), path), newline=""), strict=True)
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                cells = len(reader.fieldnames or ())
                raise RequestError(
                    f"the row has another number of cells than the header, which has {cells}",
                    where=where,
                    mend="quote cells that contain commas or line breaks",
                )
            yield where, {column: cell or None for column, cell in row.items()}
    except csv.Error as error:
        raise RequestError(
            f"not CSV: {error}",
            where=f"{path}, line {reader.line_num}",
            mend="mend the line, or save the data as .jsonl or .parquet",
        ) from error


def _parquet(path: Path) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"not a readable parquet file: {error}", where=str(path)) from error


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
    ".csv": _csv,
}
SUFFIXES = tuple(READERS)
