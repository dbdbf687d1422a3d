"""How many units would decide: the smallest n at which a test finds what the data show."""

import math
from collections.abc import Callable

from scipy import special, stats

MOST = 100_000
"""Units beyond which an effect is as good as none."""


def t_power(shift: float, deviation: float, n: int, alpha: float) -> float:
    """Chance that a one-sided t test finds a mean of ``shift`` above its bound.

    Args:
        shift: True mean less the bound.
        deviation: Standard deviation of the units.
        n: Units, at least 2.
        alpha: Level of the one-sided test.
    """
    critical = stats.t.isf(alpha, n - 1)
    power = float(stats.nct.sf(critical, n - 1, shift / deviation * math.sqrt(n)))
    # Far out, the noncentral t underflows; there the normal distribution is as good.
    return (
        power
        if math.isfinite(power)
        else float(stats.norm.sf(critical - shift / deviation * math.sqrt(n)))
    )


def for_shift(shift: float, deviation: float, alpha: float, power: float = 0.8) -> int | None:
    """Units at which a one-sided t test finds a shift; None where none do."""
    if shift <= 0 or deviation <= 0:
        return None
    return _smallest(lambda n: t_power(shift, deviation, n, alpha), 2, power)


def for_equivalence(
    effect: float, within: float, deviation: float, alpha: float, power: float = 0.8
) -> int | None:
    """Units at which two one-sided t tests find a difference inside ``within``."""
    if abs(effect) >= within:
        return for_shift(abs(effect) - within, deviation, alpha, power)
    if deviation <= 0:
        return None

    def both(n: int) -> float:
        missed = sum(1 - t_power(within + s * effect, deviation, n, alpha) for s in (1, -1))
        return max(0.0, 1 - missed)

    return _smallest(both, 2, power)


def for_correlation(rho: float, alpha: float, fixed: int = 0, power: float = 0.8) -> int | None:
    """Units at which a rank correlation is told from 0 one-sidedly (Fisher; Bonett and Wright)."""
    rho = min(abs(rho), 0.95)
    if rho == 0:
        return None
    z = stats.norm.isf(alpha) + stats.norm.ppf(power)
    n = math.ceil((z / math.atanh(rho)) ** 2 * (1 + rho * rho / 2) + 3 + fixed)
    return n if n <= MOST else None


def for_anova(
    statistic: float,
    upper: float,
    below: Callable[[int], float],
    n: int,
    alpha: float,
    power: float = 0.8,
) -> int | None:
    """Subjects at which an F test finds groups or conditions that differ as these do.

    Args:
        statistic: F.
        upper: Its first degrees of freedom.
        below: Its second, from the number of subjects.
        n: Subjects.
        alpha: Level of the test.
        power: How often it should be found.
    """
    excess = max(0.0, (statistic - 1) * upper / n)  # noncentrality that each subject adds
    if excess == 0:
        return None

    def chance(count: int) -> float:
        critical = stats.f.isf(alpha, upper, below(count))
        return float(1 - special.ncfdtr(upper, below(count), excess * count, critical))

    start = next(count for count in range(2, n + 1) if below(count) >= 1)
    return _smallest(chance, start, power)


def _smallest(chance: Callable[[int], float], start: int, power: float) -> int | None:
    high = start
    while chance(high) < power:
        high *= 2
        if high > MOST:
            return None
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= power else (middle + 1, high)
    return low
