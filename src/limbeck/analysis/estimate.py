"""What a statistic hands back: an estimate, a comparison of two models, or another effect."""

import math
from dataclasses import asdict, dataclass


class _Result:
    """What every result does: hold finite numbers only, and become JSON."""

    def _finite(self, *names: str) -> None:
        """Make floats of the named fields; a NaN or an infinity must never reach a JSON file."""
        for name in names:
            number = float(getattr(self, name))
            if not math.isfinite(number):
                raise ValueError(f"{type(self).__name__}.{name} is {number}, not a finite number")
            object.__setattr__(self, name, number)

    def as_dict(self) -> dict[str, float | int | str]:
        """The fields as JSON holds them, without those that are empty."""
        fields = asdict(self)  # type: ignore[call-overload]
        return {name: field for name, field in fields.items() if field is not None}


@dataclass(frozen=True)
class Estimate(_Result):
    """One number with its 95 % interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Items it was computed from.
        note: What a reader has to know about the interval, where it is not an ordinary one.
        clusters: Documents that the items come from, where these were resampled.
    """

    value: float
    low: float
    high: float
    n: int
    note: str | None = None
    clusters: int | None = None

    def __post_init__(self) -> None:
        self._finite("value", "low", "high")


@dataclass(frozen=True)
class Comparison(_Result):
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
        clusters: Documents that the items come from, where these were resampled.
        correction: How p was corrected for the other tests of its family.
        p_corrected: p after that correction.
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
    clusters: int | None = None
    correction: str | None = None
    p_corrected: float | None = None

    def __post_init__(self) -> None:
        self._finite("difference", "low", "high", "p")


@dataclass(frozen=True)
class Effect(_Result):
    """The size of an effect that is no difference of two models, with its test.

    Attributes:
        effect: The size, in the units that the function names.
        low: Lower end of its 95 % interval.
        high: Upper end of the interval.
        p: p value of "no effect".
        n: Observations.
        test: Name of the test that gave p.
        statistic: The test's own number (t, F, rho).
        df: Degrees of freedom, as the test is usually printed: ``"32"``, ``"2, 30"``.
        note: What a reader has to know, where the data are degenerate.
        correction: How p was corrected for the other tests of its family.
        p_corrected: p after that correction.
    """

    effect: float
    low: float
    high: float
    p: float
    n: int
    test: str
    statistic: float | None = None
    df: str | None = None
    note: str | None = None
    correction: str | None = None
    p_corrected: float | None = None

    def __post_init__(self) -> None:
        self._finite("effect", "low", "high", "p")
