"""Is a model right as often as it is sure of itself?"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import floats, outcomes, same_length
from .clustered import clustered_mean
from .estimate import Estimate
from .statistics import proportion


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence; one bar of a reliability diagram.

    Attributes:
        low: Confidences above this (the first bin holds 0 too).
        high: Confidences up to this.
        confidence: Mean confidence of the bin's predictions.
        accuracy: Share of them that is right, with its interval; ``n`` is their number.
    """

    low: float
    high: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """Confidences against hits.

    Attributes:
        n: Predictions.
        ece: Expected calibration error, from 0; biased upwards, the more so the fewer predictions.
        brier: Mean squared distance of confidence and outcome, from 0 to 1.
        overconfidence: Mean confidence - accuracy; positive where the model is too sure.
        bins: The bins that hold predictions, in order.
    """

    n: int
    ece: float
    brier: Estimate
    overconfidence: Estimate
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them; results as :meth:`Estimate.as_dict` gives them."""
        bars = [asdict(bar) | {"accuracy": bar.accuracy.as_dict()} for bar in self.bins]
        return {
            "n": self.n,
            "ece": self.ece,
            "brier": self.brier.as_dict(),
            "overconfidence": self.overconfidence.as_dict(),
            "bins": bars,
        }


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = 15,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Calibration:
    r"""Expected calibration error, Brier score and reliability bins.

    .. math:: ECE = \sum_b \frac{n_b}{n} |accuracy_b - confidence_b|, \quad
              Brier = \frac{1}{n} \sum_i (c_i - [right_i])^2

    over bins of equal width (Guo et al. 2017, arXiv 1706.04599).

    Args:
        confidence: Probability of the prediction made, ``[n]``, from 0 to 1.
        correct: Whether that prediction was right, ``[n]``.
        bins: Number of bins of equal width.
        clusters: Sequence or document of each prediction; tokens of one are not independent, and
            the intervals of Brier score and overconfidence resample them whole.
        seed: Seed of the resampling that gives the intervals.

    Raises:
        ValueError: An array is empty, a confidence is not from 0 to 1, an outcome is neither right
            nor wrong, lengths differ, clusters do not fit, or there is no bin.
    """
    sure, right = floats(confidence, "confidence"), outcomes(correct, "correct")
    same_length(confidence=sure, correct=right)
    bad = np.flatnonzero((sure < 0) | (sure > 1))
    if bad.size:
        raise ValueError(f"confidence holds {sure[bad[0]]} at item {bad[0]}; it is from 0 to 1")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    found = []
    for i in np.unique(place):
        inside = place == i
        mean = float(sure[inside].mean())
        found.append(Bin(float(edges[i]), float(edges[i + 1]), mean, proportion(right[inside])))
    ece = sum(bar.accuracy.n * abs(bar.accuracy.value - bar.confidence) for bar in found)
    return Calibration(
        sure.size,
        float(ece / sure.size),
        clustered_mean((sure - right) ** 2, clusters, seed),
        clustered_mean(sure - right, clusters, seed),
        tuple(found),
    )
