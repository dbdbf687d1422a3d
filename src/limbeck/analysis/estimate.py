"""What a statistic hands back: an estimate, or a comparison of two models on the same items."""

import math
from dataclasses import asdict, dataclass


def _finite(result: "Estimate | Comparison", names: tuple[str, ...]) -> None:
    """Make plain floats of the named fields; a NaN or an infinity must never reach a JSON file."""
    for name in names:
        number = float(getattr(result, name))
        if not math.isfinite(number):
            raise ValueError(f"{type(result).__name__}.{name} is {number}, not a finite number")
        object.__setattr__(result, name, number)


@dataclass(frozen=True)
class Estimate:
    """One number with its 95 % interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Items it was computed from.
        note: What a reader has to know about the interval, where it is not an ordinary one.
    """

    value: float
    low: float
    high: float
    n: int
    note: str | None = None

    def __post_init__(self) -> None:
        _finite(self, ("value", "low", "high"))

    def as_dict(self) -> dict[str, float | int | str]:
        """The fields as JSON holds them, without those that are empty."""
        return {name: field for name, field in asdict(self).items() if field is not None}


@dataclass(frozen=True)
class Comparison:
    """Model a against model b on the same items.

    Attributes:
        difference: a - b, in the units of the metric.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end of the interval.
        p: Two-sided p value of "no difference".
        n: Items that both models were measured on.
        test: Name of the test that gave p.
        n10: Items that only a has right (right/wrong outcomes only).
        n01: Items that only b has right (right/wrong outcomes only).
        note: What a reader has to know, where the data are degenerate.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    test: str
    n10: int | None = None
    n01: int | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        _finite(self, ("difference", "low", "high", "p"))

    def as_dict(self) -> dict[str, float | int | str]:
        """The fields as JSON holds them, without those that are empty."""
        return {name: field for name, field in asdict(self).items() if field is not None}
