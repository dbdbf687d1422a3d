"""Differences without a bootstrap: signed ranks, Student's t, and several groups at once."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .arrays import floats, same_length
from .estimate import Comparison, Effect
from .noncentral import noncentrality

_EXACT = 50  # differences up to which the distribution of the signed ranks is counted out
_FEWEST = 6  # items whose signs can give a two-sided p below 0.05
_ONE_ITEM = "one item says nothing about others: the interval has no width"


def wilcoxon(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Wilcoxon signed-rank test of two models' per-item numbers; outliers weigh by rank only.

    The difference is the pseudo-median (Hodges-Lehmann): the median of the means of all pairs of
    items' differences. Its interval is read off the same pairs at the ranks that the test would
    just not reject. p ranks the items that differ (exact for up to 50 of them without ties).

    Args:
        a: One number per item, ``[n]``.
        b: The same of the other model, on the same items in the same order.

    Raises:
        ValueError: An array is empty or not finite, or lengths differ.
    """
    first, second = floats(a, "a"), floats(b, "b")
    same_length(a=first, b=second)
    items = np.sort(first - second)
    n, differ = items.size, int(np.count_nonzero(items))
    pairs = n * (n + 1) // 2
    middle = [_walsh(items, (pairs + 1) // 2), _walsh(items, pairs // 2 + 1)]
    rank = _lowest_rank(n)
    low, high = _walsh(items, rank), _walsh(items, pairs + 1 - rank)
    p = 1.0
    if differ:
        _, times = np.unique(np.abs(items[items != 0]), return_counts=True)
        exact = differ <= _EXACT and (times == 1).all()
        used = items[items != 0]
        p = float(stats.wilcoxon(used, method="exact" if exact else "asymptotic").pvalue)
        p = max(p, 2.0 ** (1 - differ))  # what the signs can show at most; ties make it smaller
    note = None
    if n == 1:
        note = _ONE_ITEM
    elif n < _FEWEST:
        note = f"{n} items are too few for 95 %: the interval covers {100 * (1 - 2.0 ** (1 - n)):.3g} %"
    elif differ < n:
        note = f"{n - differ} of {n} items do not differ; p is of the others"
    return Comparison(
        float(np.mean(middle)), low, high, min(1.0, p), n, "Wilcoxon signed-rank", note=note
    )


def one_sample_t(
    values: ArrayLike,
    mean: float = 0.0,
    alternative: Literal["two-sided", "greater", "less"] = "two-sided",
) -> Effect:
    """Is the mean of the values another than this one? Student's t.

    The effect is the mean of the values less ``mean``, with the ordinary two-sided interval, also
    where p is one-sided.

    Args:
        values: One number per item, ``[n]``: for instance the improvement in each experiment.
        mean: The mean under "no effect".
        alternative: Which side counts as an effect.

    Raises:
        ValueError: ``values`` is empty or not finite.
    """
    items = floats(values, "values")
    n, effect = items.size, float(items.mean() - mean)
    test = "one-sample t" if alternative == "two-sided" else f"one-sample t, {alternative}"
    if np.ptp(items) == 0:
        # t is infinite or undefined; n signs that agree are all the evidence there is.
        effect = float(items[0] - mean)
        half = 2.0**-n
        wrong_side = effect == 0 or (alternative == "greater") != (effect > 0)
        p = (1.0 if effect == 0 else 2 * half) if alternative == "two-sided" else half
        p = 1.0 if alternative != "two-sided" and wrong_side else p
        note = _ONE_ITEM if n == 1 else "the items do not differ: p is that of their signs"
        return Effect(effect, effect, effect, p, n, test, df=str(n - 1), note=note)
    found = stats.ttest_1samp(items, mean, alternative=alternative)
    half = stats.t.ppf(0.975, n - 1) * stats.sem(items)
    return Effect(
        effect,
        effect - half,
        effect + half,
        found.pvalue,
        n,
        test,
        statistic=float(found.statistic),
        df=str(n - 1),
    )


def anova(groups: Mapping[str, ArrayLike]) -> Effect:
    """Do the means of several independent groups differ? One-way analysis of variance.

    The effect is eta squared, the share of the variance that lies between the groups. Its interval
    inverts the noncentral F distribution (Steiger 2004); it is not symmetric, and widened to hold
    the estimate, which is biased upwards.

    Args:
        groups: The values of each group, by name: at least two groups, more values than groups.

    Raises:
        ValueError: A group is empty or not finite, there are too few, or no group has scatter.
    """
    if len(groups) < 2:
        raise ValueError(f"an analysis of variance needs two groups or more, got {len(groups)}")
    values = [floats(items, f"group {name!r}") for name, items in groups.items()]
    n, between = sum(items.size for items in values), len(values) - 1
    within = n - len(values)
    if within < 1:
        raise ValueError(f"{len(values)} groups of one value each have no scatter to compare with")
    if all(np.ptp(items) == 0 for items in values):
        raise ValueError("no group has any scatter: F is not defined")
    # Not SciPy's, which takes the squares within from the whole: nothing is left of small ones.
    middle = np.concatenate(values).mean()
    squares_within = sum(float(((items - items.mean()) ** 2).sum()) for items in values)
    squares_between = sum(items.size * float(items.mean() - middle) ** 2 for items in values)
    statistic = (squares_between / between) / (squares_within / within)
    share = between * statistic / (between * statistic + within)
    # The noncentralities at which this F would be the 97.5th and the 2.5th percentile.
    ends = [noncentrality(statistic, between, within, level) for level in (0.975, 0.025)]
    low, high = (end / (end + n) for end in ends)
    return Effect(
        share,
        min(low, share),
        max(high, share),
        stats.f.sf(statistic, between, within),
        n,
        "one-way ANOVA",
        statistic=statistic,
        df=f"{between}, {within}",
    )


def _walsh(items: NDArray[np.float64], rank: int) -> float:
    """The rank-th smallest (from 1) mean of two items ``i <= j``, by bisection in O(n log n)."""
    low, high = float(items[0]), float(items[-1])
    places = np.arange(items.size)

    def up_to(value: float) -> int:
        last = np.searchsorted(items, 2 * value - items, side="right")
        return int(np.maximum(last - places, 0).sum())

    if up_to(low) >= rank:
        return low
    while (middle := low + (high - low) / 2) not in (low, high):
        low, high = (low, middle) if up_to(middle) >= rank else (middle, high)
    # Sums round, so this can be a hair off; an end at 0 must be 0. Take the mean of the pair.
    after = np.searchsorted(items, 2 * high - items)
    partners = items[np.clip(np.stack([after - 1, after]), 0, items.size - 1)]
    means = ((items + partners) / 2).ravel()
    return float(means[np.abs(means - high).argmin()])


def _lowest_rank(n: int) -> int:
    """Rank of the pair that ends the 95 % interval of the pseudo-median, from below."""
    if n > _EXACT:
        spread = np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return max(1, int(np.floor(n * (n + 1) / 4 - stats.norm.ppf(0.975) * spread)))
    ways = np.ones(1)
    for rank in range(1, n + 1):  # signs of the ranks 1..n: ways to reach each sum
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    below = np.cumsum(ways) / 2.0**n
    return max(1, int(np.searchsorted(below, 0.025, side="right")))
