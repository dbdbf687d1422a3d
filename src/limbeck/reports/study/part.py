"""A part of the page: figures with their files, and tables with theirs."""

from collections.abc import Iterable
from dataclasses import dataclass

from limbeck.reports.sections import Table

from .download import Download, Figure


@dataclass(frozen=True)
class Listing:
    """A table, and the file of its numbers."""

    table: Table
    data: Download


@dataclass(frozen=True)
class Part:
    """What stands under one heading.

    Attributes:
        title: The heading.
        lead: What the part is about, in one to three sentences.
        figures: Its drawings.
        listings: Its tables.
        small: Whether the figures are many and simple, and stand close.
    """

    title: str
    lead: str
    figures: tuple[Figure, ...] = ()
    listings: tuple[Listing, ...] = ()
    small: bool = False

    @property
    def name(self) -> str:
        """The heading as an id of the page."""
        return "-".join(self.title.lower().split())


def part(
    title: str, lead: str, figures: Iterable[Figure | None], small: bool = False
) -> Part | None:
    """A part of the figures that could be drawn; none where none could."""
    drawn = tuple(figure for figure in figures if figure is not None)
    return Part(title, lead, drawn, small=small) if drawn else None
