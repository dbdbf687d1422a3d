"""What n items can show: the smallest difference of two accuracies that a test would find."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that would be found, were it there.

    Attributes:
        difference: Of two accuracies; None where no difference would be found often enough.
        n: Items that both models answer.
        discordance: Share of items on which one is right and the other wrong.
        power: How often a difference of this size would be found.
        alpha: Level of the two-sided test.
        test: Name of the test.
    """

    difference: float | None
    n: int
    discordance: float
    power: float
    alpha: float
    test: str = "exact McNemar"


def mcnemar_power(n: int, discordance: float, difference: float, alpha: float = 0.05) -> float:
    """Chance that the exact McNemar test rejects "no difference" on n items; no approximation.

    The number of items on which the models differ is binomial(n, discordance); each of them falls
    to the better model with probability ``(1 + difference / discordance) / 2``.

    Args:
        n: Items that both models answer.
        discordance: Expected share of items on which one is right and the other wrong.
        difference: True difference of the accuracies, at most the discordance in size.
        alpha: Level of the two-sided test.

    Raises:
        ValueError: A number is outside its range.
    """
    _check(n, discordance, alpha)
    if not abs(difference) <= discordance:
        raise ValueError(
            f"difference must be at most the discordance {discordance} in size, got {difference}"
        )
    return _power(n, discordance, difference, alpha)


def minimum_detectable(
    n: int, discordance: float, power: float = 0.8, alpha: float = 0.05
) -> Detectable:
    """Smallest difference of two accuracies that n items show with this power.

    Args:
        n: Items that both models answer.
        discordance: Share of items on which one is right and the other wrong.
        power: How often the difference should be found.
        alpha: Level of the two-sided exact McNemar test.

    Raises:
        ValueError: A number is outside its range.
    """
    _check(n, discordance, alpha)
    if not alpha < power < 1:
        raise ValueError(f"power must be between alpha = {alpha} and 1, got {power}")
    found = None
    if _power(n, discordance, discordance, alpha) >= power:

        def missing(difference: float) -> float:
            return _power(n, discordance, difference, alpha) - power

        found = float(optimize.brentq(missing, 0.0, discordance, xtol=1e-9))
    return Detectable(found, n, discordance, power, alpha)


def _power(n: int, discordance: float, difference: float, alpha: float) -> float:
    differing = np.arange(n + 1)
    chance = stats.binom.pmf(differing, n, discordance)
    differing, chance = differing[chance > 1e-13], chance[chance > 1e-13]
    better = min(1.0, 0.5 * (1 + difference / discordance))
    # The largest minority that is still rejected: its binomial tail is at most alpha / 2.
    edge = stats.binom.ppf(alpha / 2, differing, 0.5)
    edge -= 2 * stats.binom.cdf(edge, differing, 0.5) > alpha
    lower = stats.binom.cdf(edge, differing, better)
    upper = stats.binom.sf(differing - edge - 1, differing, better)
    return float(chance @ (lower + upper))


def _check(n: int, discordance: float, alpha: float) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if not 0 < discordance <= 1:
        raise ValueError(f"discordance must be above 0 and at most 1, got {discordance}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
