"""What one test says before the family of all tests is known."""

from collections.abc import Callable
from dataclasses import dataclass


class Untestable(Exception):
    """The rows cannot test this hypothesis; says why."""


@dataclass(frozen=True)
class Finding:
    """One test of one hypothesis.

    Attributes:
        effect: Its size.
        low: Lower end of the 95 % interval.
        high: Upper end of the interval.
        p: p of "the claim does not hold".
        n: Independent units.
        unit: What they are.
        test: Name of the test.
        holds: Whether the interval lies where the claim says.
        fails: Whether it lies wholly where the claim says it does not.
        words: What was compared.
        needed: Units that decide it at 80 % power, from the level of the (one-sided) test.
        statistic: The test's own number.
        note: What else a reader has to know.
    """

    effect: float
    low: float
    high: float
    p: float
    n: int
    unit: str
    test: str
    holds: bool
    fails: bool
    words: str
    needed: Callable[[float], int | None]
    statistic: float | None = None
    note: str | None = None


def joined(*notes: str | None) -> str | None:
    """Notes as one; None where there is none."""
    return "; ".join(note for note in notes if note) or None
