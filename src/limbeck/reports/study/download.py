"""The numbers behind a figure as a file that the page itself holds."""

import base64
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.reports.figures import Picture
from limbeck.reports.hostile import visible


@dataclass(frozen=True)
class Download:
    """A table as CSV, in the page.

    Attributes:
        name: What the file is called, without its ending.
        columns: Its heading.
        rows: Its rows, as they were measured; None is an empty field.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def file(self) -> str:
        """The name that a browser saves it under."""
        return f"{self.name}.csv"

    @property
    def csv(self) -> str:
        """The file."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerows((self.columns, *self.rows))
        return visible(written.getvalue())

    @property
    def address(self) -> str:
        """The file as an address: a link to it asks nobody for anything."""
        coded = base64.b64encode(self.csv.encode()).decode("ascii")
        return f"data:text/csv;charset=utf-8;base64,{coded}"


def of_rows(name: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Download:
    """A file of some columns of rows."""
    return Download(name, tuple(columns), tuple(tuple(row.get(c) for c in columns) for row in rows))


@dataclass(frozen=True)
class Figure:
    """A drawing and the file of its numbers."""

    picture: Picture
    data: Download
