"""How large an effect an F speaks of: ends of its noncentrality, for intervals of explained variance."""

from scipy import optimize, special

_LARGE = 1e6  # an F from which on nothing but its size changes


def noncentrality(statistic: float, upper: float, lower: float, level: float) -> float:
    """The noncentrality at which F is at most ``statistic`` with chance ``level``.

    Args:
        statistic: F.
        upper: Its degrees of freedom above the line.
        lower: Those below.
        level: The chance, in (0, 1).
    """
    if statistic > _LARGE:  # there it grows in proportion, and the distribution fails to converge
        return statistic / _LARGE * noncentrality(_LARGE, upper, lower, level)

    def excess(value: float) -> float:
        return float(special.ncfdtr(upper, lower, value, statistic)) - level

    if excess(0.0) <= 0:  # even no effect at all puts F no lower than this
        return 0.0
    top = 1.0
    while excess(top) > 0:
        top *= 2
    return float(optimize.brentq(excess, 0.0, top))
