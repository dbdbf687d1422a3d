"""Where rows come from, and which of their columns are read."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.data.hub import read_hub
from limbeck.data.numbers import as_number
from limbeck.data.reading import read_local
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError


@dataclass(frozen=True)
class Hub:
    """Rows on the Hugging Face hub.

    Attributes:
        source: The data set's id.
        config: Its configuration; None where it has one only.
        split: The split to evaluate on.
    """

    source: str
    config: str | None = None
    split: str = "test"


def load_rows(
    name: str, source: str | os.PathLike[str] | None, hub: Hub | None, split: str | None = None
) -> list[Mapping[str, Any]]:
    """All rows of a local file or folder, or of the hub where none is named.

    Raises:
        RequestError: They cannot be read, there are none, or nothing says where they are.
    """
    if source is not None:
        path = Path(os.path.expanduser(source))
        rows: list[Mapping[str, Any]] = [row for _, row in read_local(path)]
    elif hub is not None:
        rows = [row for _, row in read_hub(hub.source, hub.config, split or hub.split)]
    else:
        raise RequestError(
            f"nothing says where the rows of {name} are",
            where=name,
            mend="give the path of a .jsonl, .json, .parquet or .csv file",
        )
    if not rows:
        raise RequestError("there are no rows", where=str(source or name), mend="check the file")
    return rows


def rename(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> Mapping[str, Any]:
    """The row with our names beside its own.

    Raises:
        RequestError: A column that is named is not there.
    """
    if not columns:
        return row
    for column in columns.values():
        if column not in row:
            raise RequestError(
                f"the data has no column {column!r}", where=where, mend=did_you_mean(column, row)
            )
    return {**row, **{ours: row[theirs] for ours, theirs in columns.items()}}


def value(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these columns that the row has.

    Raises:
        RequestError: It has none of them, or nothing in it.
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise RequestError(
        f"the row has no {' or '.join(names)}",
        where=f"a row with {', '.join(map(str, row)) or 'no columns'}",
        mend=f"say which column it is: columns: {{{names[0]}: NAME}}",
    )


def text(row: Mapping[str, Any], *names: str) -> str:
    """The same as text without white space around it."""
    return str(value(row, *names)).strip()


def optional(row: Mapping[str, Any], *names: str) -> str | None:
    """The same, or None."""
    found = [row[name] for name in names if row.get(name) not in (None, "")]
    return str(found[0]) if found else None


def one_of(labels: Sequence[str], gold: str) -> str:
    """The right answer, which is one of these.

    Raises:
        RequestError: It is none of them: every answer would be wrong.
    """
    if gold not in labels:
        raise RequestError(
            f"the answer {gold!r} is none of {', '.join(labels)}", where="the row's answer"
        )
    return gold


def number(gold: str) -> str:
    """The right answer, which is a number.

    Raises:
        RequestError: It is none: every answer would be wrong.
    """
    if as_number(gold) is None:
        raise RequestError(f"the answer {gold[:80]!r} is no number", where="the row's answer")
    return gold
