"""A section of the page: tables that are text, and figures that are drawn when they are wanted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from .figures import Picture
from .sections import Table


@dataclass(frozen=True)
class Section:
    """What stands under one heading.

    Attributes:
        title: The heading.
        lead: What the section is about, in one or two sentences.
        tables: Its tables; where there are several, each stands under its own title.
        draw: Draws its figures; a terminal has no use for them. None is a figure without data.
        small: Whether the figures are many and simple, and stand close.
        alarm: A sentence that nobody should miss.
    """

    title: str
    lead: str
    tables: tuple[Table, ...] = ()
    draw: Callable[[], Iterable[Picture | None]] = tuple
    small: bool = False
    alarm: str = ""

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """Its figures."""
        return tuple(picture for picture in self.draw() if picture is not None)

    @property
    def name(self) -> str:
        """The heading as an id of the page."""
        return "-".join(self.title.lower().replace("'", "").split())
