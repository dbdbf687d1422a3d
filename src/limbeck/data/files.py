"""One reader for each kind of data file."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from limbeck.errors import RequestError

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]  # where a row stands, and its values by column


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
