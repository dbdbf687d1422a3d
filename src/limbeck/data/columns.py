"""Which of a row's columns are read under which of our names."""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from limbeck.data.files import Row
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError

Lead = Literal["messages", "prompt", "text"]
LEADS: tuple[Lead, ...] = ("messages", "prompt", "text")  # the first one that is there wins
_BESIDE: dict[Lead, tuple[str, ...]] = {
    "messages": ("answer",),
    "prompt": ("completion", "answer"),
    "text": (),
}


@dataclass(frozen=True)
class Layout:
    """How rows are read, settled on the first row so that all rows are read alike.

    Attributes:
        lead: The column that makes a row's format.
        reads: From our names to a data column, or to a template with columns in braces.
    """

    lead: Lead
    reads: dict[str, str]

    @classmethod
    def of(cls, columns: Mapping[Any, str], row: Row, where: str) -> "Layout":
        """The layout that the recipe's `columns` and the first row's own columns make.

        A data column that the recipe uses for one of our names is not also used under its own
        name: a column ``answer`` that is read as completions holds no gold answers.

        Raises:
            RequestError: No column makes a format, the recipe names two that do, or one that
                the format has no use for or the data does not have.
        """
        used = {name for source in columns.values() for name in columns_in(source)}
        reads = dict(columns)
        for name in (*LEADS, "completion", "answer"):
            if name in row and name not in used:
                reads.setdefault(name, name)
        named = [lead for lead in LEADS if lead in columns]
        present = named or [lead for lead in LEADS if lead in reads]
        if not present:
            raise RequestError(
                "the data has no column prompt, messages or text",
                where=where,
                mend=f"say which it is, such as columns: {{prompt: NAME}}; known: {', '.join(row)}",
            )
        lead = present[0]
        useless = [name for name in columns if name not in (lead, *_BESIDE[lead])]
        if useless:
            raise RequestError(
                f"rows with {lead} have no use for {' and '.join(useless)}", where="data.columns"
            )
        require_columns(columns_in(reads[lead]), row, where)
        return cls(lead, {name: reads[name] for name in (lead, *_BESIDE[lead]) if name in reads})

    def read(self, row: Row, where: str) -> dict[str, Any]:
        """The row's values under our names; a column that the row lacks is None.

        Raises:
            RequestError: A template reads a column that holds no text or number.
        """
        return {
            name: _fill(source, row, where) if "{" in source else row.get(source)
            for name, source in self.reads.items()
        }

    def require_all(self, known: Iterable[str], where: str) -> None:
        """Refuse a layout that reads a column which no row has.

        Raises:
            RequestError: With the nearest column.
        """
        for source in self.reads.values():
            require_columns(columns_in(source), known, where)


def columns_in(source: str) -> list[str]:
    """The data columns that a column's name or a template reads.

    Raises:
        RequestError: A template with a brace that does not close.
    """
    if "{" not in source:
        return [source]
    try:
        parts = list(string.Formatter().parse(source))
    except ValueError as error:
        raise RequestError(
            f"not a template: {source!r}: {error}",
            where="data.columns",
            mend="write a brace that is meant as a brace twice",
        ) from error
    return [column for _, column, _, _ in parts if column is not None]


def require_columns(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse names that are not among the known columns.

    Raises:
        RequestError: With the nearest column.
    """
    columns = list(known)
    for name in names:
        if name not in columns:
            raise RequestError(
                f"the data has no column {name!r}", where=where, mend=did_you_mean(name, columns)
            )


def _fill(template: str, row: Row, where: str) -> str:
    require_columns(columns_in(template), row, where)
    filled = []
    # Not str.format, which would let a template reach into attributes of the values.
    for literal, column, _, _ in string.Formatter().parse(template):
        filled.append(literal)
        if column is None:
            continue
        value = row[column]
        if not isinstance(value, str | int | float):
            kind = "empty" if value is None else type(value).__name__
            raise RequestError(
                f"column {column!r} is {kind}; a template needs text or a number", where=where
            )
        filled.append(str(value))
    return "".join(filled)
