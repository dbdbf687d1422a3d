"""How scores and their differences are written: shares in points, losses in bits, the rest plainly."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from limbeck.reports import words
from limbeck.reports.audit.plots import percent_axis

_BITS = ("bits_per_byte", "perplexity")


@dataclass(frozen=True)
class Scale:
    """What a score is measured in.

    Attributes:
        name: What it is called.
        unit: Of its differences; empty where they have none.
        shares: Whether it is a share of items, 0 to 1.
        higher_is_better: Which way is better.
    """

    name: str
    unit: str
    shares: bool = True
    higher_is_better: bool = True

    def write(self, score: words.Number) -> str:
        """A score: ``61.2%``, or ``1.234``."""
        return words.percent(score) if self.shares else words.decimal(score)

    def difference(self, gap: words.Number) -> str:
        """A difference with its sign: ``+3.1`` points, or ``+0.012``."""
        if self.shares:
            return words.signed(None if gap is None else 100 * gap, 1)
        return words.signed(gap, 3)

    def span(self, low: words.Number, high: words.Number) -> str:
        """The interval of a score."""
        return words.span(self.within(low), self.within(high), self.write)

    def within(self, score: words.Number) -> words.Number:
        """An end of an interval, where scores end: Student's t knows of no share above 1."""
        return min(max(score, 0.0), 1.0) if self.shares and score is not None else score

    def between(self, low: words.Number, high: words.Number) -> str:
        """The interval of a difference."""
        return words.span(low, high, self.difference)

    def mark(self, axis: Axis) -> None:
        """Write scores along an axis."""
        if self.shares:
            percent_axis(axis)

    def mark_differences(self, axis: Axis) -> None:
        """Write differences along an axis."""
        times = 100 if self.shares else 1
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda x, _: _signed(times * x)))


def _signed(number: float) -> str:
    return f"{number:+.3g}".replace("-", words.MINUS) if abs(number) > 1e-9 else "0"


POINTS = Scale("score", "points")
PLAIN = Scale("", "", shares=False)


def counted(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{words.count(number)} {noun}" if number == 1 else f"{words.count(number)} {noun}s"


def is_share(metric: Any) -> bool:
    """Whether a score of that metric is a share."""
    return metric not in _BITS


def scale_of(metrics: Iterable[Any]) -> Scale:
    """The scale of a study's scores, from the names of their metrics."""
    found = set(metrics)
    name = str(found.pop()).replace("_", " ") if len(found) == 1 and None not in found else "score"
    if name in {known.replace("_", " ") for known in _BITS}:
        return Scale(name, "bits per byte" if "bits" in name else "", False, False)
    return Scale(name, "points")
