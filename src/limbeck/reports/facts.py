"""What a results file says about an arm or a pair of arms, whichever way round it was written."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from . import words
from .hostile import visible

Results = Mapping[str, Any]

# The order in which arms are read: the goal, the start, the rivals, the student, the controls.
ORDER = (
    *("teacher", "before", "sft", "one_shot", "student"),
    *("control_gold", "control_labelled"),
    *("control_longer", "control_resample", "control_blind", "control_shuffled"),
)
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Metric:
    """How a score is read and written."""

    key: str
    name: str
    higher_is_better: bool
    explanation: str

    def write(self, value: words.Number) -> str:
        """The score as text."""
        return words.percent(value) if self.key == "accuracy" else words.decimal(value)

    def write_difference(self, value: words.Number) -> str:
        """A difference of two scores, with its sign and without its unit."""
        if self.key == "accuracy":
            return words.signed(None if value is None else 100 * value, 1)
        return words.signed(value, 3)

    @property
    def unit(self) -> str:
        """What a difference is counted in."""
        return "points" if self.key == "accuracy" else "bits per byte"


METRICS = (
    Metric(
        "accuracy", "Accuracy", True, "Share of the test items answered right; higher is better."
    ),
    Metric(
        "bits_per_byte",
        "Bits per byte",
        False,
        "Bits the model needs for one byte of held-out text; lower is better.",
    ),
)


@dataclass(frozen=True)
class Contrast:
    """Arm a minus arm b; everything but the difference is None where no test was made."""

    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int | None = None
    n10: int | None = None
    n01: int | None = None
    p_corrected: float | None = None
    correction: str | None = None

    @property
    def tested(self) -> bool:
        """Whether a test stands behind the difference."""
        return words.known(self.p)

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise: p, corrected where it was, below 0.05."""
        p = self.p_corrected if self._corrected else self.p
        return p is not None and self.tested and p < SIGNIFICANT

    @property
    def p_words(self) -> str:
        """The p that decides: ``p = 0.042``, or ``corrected p = 0.084``."""
        if self._corrected:
            return f"corrected {words.p_value(self.p_corrected)}"
        return words.p_value(self.p)

    @property
    def reversed(self) -> "Contrast":
        """The second arm minus the first."""
        low, high = (None if end is None else -end for end in (self.high, self.low))
        turned = {"difference": -self.difference, "low": low, "high": high}
        return replace(self, **turned, n10=self.n01, n01=self.n10)  # type: ignore[arg-type]

    @property
    def _corrected(self) -> bool:
        return words.known(self.p_corrected)


def arms(results: Results) -> list[str]:
    """Arms of the run in reading order; any others after them."""
    models = results["models"]
    return [a for a in ORDER if a in models] + [a for a in models if a not in ORDER]


def label(results: Results, arm: str) -> str:
    """What the arm is called on the page."""
    model = results["models"].get(arm, {})
    return visible(str(model.get("label") or arm.replace("_", " ")))


def estimate(results: Results, arm: str, key: str) -> Mapping[str, Any] | None:
    """Score of an arm with its interval, where it was measured."""
    found = results["evaluation"].get("metrics", {}).get(arm, {}).get(key)
    return found if found and words.known(found.get("value")) else None


def score(results: Results, arm: str, metric: Metric) -> float | None:
    """Score of an arm, where it was measured."""
    found = estimate(results, arm, metric.key)
    return None if found is None else float(found["value"])


def measured(results: Results) -> list[Metric]:
    """Metrics that at least one arm has."""
    return [m for m in METRICS if any(estimate(results, arm, m.key) for arm in arms(results))]


def primary(results: Results) -> Metric | None:
    """The metric that decides: the student's accuracy, else its bits per byte."""
    return next((m for m in METRICS if estimate(results, "student", m.key)), None)


def contrast(results: Results, a: str, b: str, metric: Metric) -> Contrast | None:
    """Arm a minus arm b: tested if the results hold the test, else from the scores, else None."""
    if not {a, b} <= results["models"].keys():
        return None
    for row in results.get("comparisons") or ():
        if row.get("metric") == metric.key and {row.get("a"), row.get("b")} == {a, b}:
            found = as_contrast(row)
            return found if row["a"] == a else found.reversed
    first, second = score(results, a, metric), score(results, b, metric)
    return None if first is None or second is None else Contrast(first - second)


def as_contrast(row: Mapping[str, Any]) -> Contrast:
    """A comparison of the results file as it stands there."""
    known: dict[str, Any] = {f.name: row.get(f.name) for f in fields(Contrast)}
    return Contrast(**known)


def trained(results: Results) -> bool:
    """Whether the results are those of a distillation, not of two models that were just given."""
    return bool(results.get("training"))


def rival(results: Results) -> str:
    """What the arm ``sft`` is called in a sentence."""
    return "SFT" if trained(results) else label(results, "sft")


def recovered(results: Results, metric: Metric) -> Mapping[str, Any] | None:
    """Share of the gap between SFT and teacher that the student closed, where it was measured."""
    found = results.get("recovered") or {}
    fits = found.get("metric", metric.key) == metric.key
    return found if fits and words.known(found.get("value")) else None


def gap(results: Results, metric: Metric) -> bool:
    """Whether the teacher is better than SFT: by score and, where there is one, by test."""
    over = contrast(results, "teacher", "sft", metric)
    return over is not None and ahead(over, metric) and (over.significant or not over.tested)


def ahead(over: Contrast, metric: Metric) -> bool:
    """Whether the first arm has the better score, noise or not."""
    return over.difference != 0 and (over.difference > 0) == metric.higher_is_better


def better(over: Contrast, metric: Metric) -> bool:
    """Whether the first arm is the better one, by more than noise."""
    return over.significant and ahead(over, metric)
