"""Rank correlations: do two numbers rise together, also with others held fixed?"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .arrays import floats, same_length
from .estimate import Effect


def spearman(x: ArrayLike, y: ArrayLike) -> Effect:
    """Spearman's rank correlation; ties take their mean rank.

    p is that of Student's t with n - 2 degrees of freedom, two-sided. The interval is Fisher's, with
    the variance ``(1 + rho^2 / 2) / (n - 3)`` of Bonett and Wright 2000.

    Args:
        x: One number per observation, ``[n]``, at least four.
        y: Another of the same observations.

    Raises:
        ValueError: An array is not finite or does not vary, lengths differ, or n is too small.
    """
    first, second = _varying(x, "x"), _varying(y, "y")
    same_length(x=first, y=second)
    return _correlation(_ranks(first), _ranks(second), 0, "Spearman")


def partial_spearman(x: ArrayLike, y: ArrayLike, given: Mapping[str, ArrayLike]) -> Effect:
    """Spearman's correlation of x and y with other numbers held fixed.

    All are turned into ranks; what the ranks of ``given`` explain linearly is taken from those of x
    and y, and the rest is correlated. Interval and p lose one degree of freedom for each.

    Args:
        x: One number per observation, ``[n]``.
        y: Another of the same observations.
        given: What is held fixed, by name, each ``[n]``.

    Raises:
        ValueError: An array is not finite or does not vary, lengths differ, n is too small, or
            what is held fixed leaves nothing of x or y.
    """
    first, second = _varying(x, "x"), _varying(y, "y")
    fixed = {name: _varying(values, name) for name, values in given.items()}
    same_length(x=first, y=second, **fixed)
    design = np.column_stack([np.ones(first.size), *map(_ranks, fixed.values())])
    rest = []
    for name, values in (("x", first), ("y", second)):
        ranks = _ranks(values)
        left = ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
        if np.abs(left).max() < 1e-8 * first.size:
            raise ValueError(f"{', '.join(fixed)} leave nothing of {name} to correlate")
        rest.append(left)
    names = ", ".join(fixed)
    test = f"partial Spearman given {names}" if names else "Spearman"
    return _correlation(rest[0], rest[1], len(fixed), test)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], fixed: int, test: str) -> Effect:
    n, df = x.size, x.size - 2 - fixed
    if df < 2:
        raise ValueError(f"a correlation with {fixed} numbers held fixed needs n >= {4 + fixed}")
    x, y = x - x.mean(), y - y.mean()
    rho = float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1.0, 1.0))
    if 1 - abs(rho) < 1e-12:
        # t is infinite; a perfect order still happens once in n! orders, and once the other way.
        rho, p = math.copysign(1.0, rho), 2.0 / math.factorial(min(n - fixed, 100))
        note = "the ranks agree perfectly: the interval has no width"
        return Effect(rho, rho, rho, p, n, test, df=str(df), note=note)
    t = rho * math.sqrt(df / (1 - rho * rho))
    half = stats.norm.ppf(0.975) * math.sqrt((1 + rho * rho / 2) / (df - 1))
    centre = math.atanh(rho)
    return Effect(
        rho,
        math.tanh(centre - half),
        math.tanh(centre + half),
        2 * stats.t.sf(abs(t), df),
        n,
        test,
        statistic=rho,
        df=str(df),
    )


def _varying(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = floats(values, name)
    if np.ptp(array) == 0:
        raise ValueError(f"{name} does not vary over its {array.size} values: no correlation")
    return array


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return stats.rankdata(values)
