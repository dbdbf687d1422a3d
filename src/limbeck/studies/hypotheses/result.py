"""What became of a hypothesis."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True)
class Result:
    """One hypothesis, tested.

    Attributes:
        claim: The hypothesis, as the study file words it.
        kind: Its kind.
        state: ``supported``: the corrected p is below 0.05 and the 95 % interval lies where the
            claim says. ``refuted``: the interval lies wholly where the claim says it does not.
            ``undecided``: anything else.
        effect: Its size: a difference of shares, a correlation, or a share of variance. None where
            nothing could be computed.
        low: Lower end of the 95 % interval.
        high: Upper end of the interval.
        p: One-sided for a claim with a direction, two-sided for one without.
        p_corrected: p corrected over all hypotheses of the study.
        correction: How.
        n: Independent units.
        unit: What they are: ``students``, ``seeds``, ``tasks``, ``cells``, ``teachers``.
        test: Name of the test.
        statistic: The test's own number (t, F, rho).
        words: What was compared with what, over what.
        needed_n: So many units would decide an undecided one at 80 % power, were the effect and
            the scatter what they are here; None where it is decided, or no n is likely to.
        note: What else a reader has to know.
    """

    claim: str
    kind: str
    state: State
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    correction: str
    n: int
    unit: str
    test: str
    statistic: float | None
    words: str
    needed_n: int | None
    note: str | None

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self)
