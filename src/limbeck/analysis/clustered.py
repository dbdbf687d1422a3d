"""Means and differences of items that come in clusters: documents are resampled, not items.

Questions on one document fall together; resampling them singly makes intervals too narrow. Each
bootstrap draws whole clusters, and the mean is their sum over their size.

A bootstrap of few clusters is too sure of itself: it forgets one degree of freedom and knows no
heavy tails. Ends and p are therefore read at the levels at which a normal variable, narrowed by
``sqrt((G - 1) / G)``, would have the tails of Student's t with G - 1 degrees of freedom ("expanded
percentile interval", Hesterberg 2015, The American Statistician 69). For many clusters this is the
plain percentile interval.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .alignment import cluster_codes
from .arrays import floats, same_length
from .estimate import Comparison, Estimate

RESAMPLES = 10_000
_CELLS = 2_000_000  # weights held at a time: 16 MB
_ONE = "one {unit} says nothing about others: the interval has no width"
_NO_SPREAD = "the {unit}s do not differ: the interval has no width"


def clustered_mean(
    values: ArrayLike, clusters: Sequence[Hashable] | None = None, seed: int = 0
) -> Estimate:
    """Mean of one number per item, with an interval that resamples clusters.

    Args:
        values: One number per item, ``[n]``.
        clusters: The cluster of each item; without it, items are independent.
        seed: Seed of the resampling.

    Raises:
        ValueError: ``values`` is empty or not finite, or clusters do not fit it.
    """
    items = floats(values, "values")
    low, high, _, size, note = _bootstrapped(items, clusters, seed)
    return Estimate(
        float(items.mean()), low, high, items.size, note, None if clusters is None else size
    )


def clustered_difference(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None = None, seed: int = 0
) -> Comparison:
    """Difference of two models' means over the same items, resampling clusters in pairs.

    p inverts the interval, and is never below ``2^(1-G)``, the smallest two-sided p that the signs
    of G clusters can give.

    Args:
        a: One number per item, ``[n]``: right or wrong, F1, nats per token.
        b: The same of the other model, on the same items in the same order.
        clusters: The cluster of each item; without it, items are independent.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or clusters do not fit.
    """
    first, second = floats(a, "a"), floats(b, "b")
    same_length(a=first, b=second)
    items = first - second
    low, high, p, size, note = _bootstrapped(items, clusters, seed)
    test = "paired bootstrap" if clusters is None else "paired bootstrap by cluster"
    shown = None if clusters is None else size
    return Comparison(
        float(items.mean()), low, high, p, items.size, test, note=note, clusters=shown
    )


def ratio_of_means(
    part: ArrayLike,
    whole: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Estimate | None:
    """One mean over another that may be 0, such as the share of a gap that was recovered.

    With ``part = student - baseline`` and ``whole = teacher - baseline`` per item, this is the gap
    recovered. Where the interval of the whole holds 0, a share of it means nothing: None. Elsewhere
    the few draws in which the whole is 0, or has the other sign, are left out of the interval.

    Args:
        part: One number per item, ``[n]``.
        whole: One number per item; its mean is divided by.
        clusters: The cluster of each item; without it, items are independent.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or clusters do not fit.
    """
    top, bottom = floats(part, "part"), floats(whole, "whole")
    same_length(part=top, whole=bottom)
    sums, sizes = totals(np.stack([top, bottom], axis=1), clusters)
    if len(sizes) == 1:
        return None
    drawn = resampled(sums, sizes, np.random.default_rng(seed))
    low, high = ends(drawn[:, 1:], len(sizes))
    if low[0] <= 0 <= high[0]:
        return None
    drawn = drawn[drawn[:, 1] * low[0] > 0]
    value = float(top.sum() / bottom.sum())
    low, high = ends(drawn[:, :1] / drawn[:, 1:], len(sizes))
    shown = None if clusters is None else len(sizes)
    note = _NO_SPREAD.format(unit=_unit(clusters)) if low[0] == high[0] else None
    return Estimate(value, low[0], high[0], top.size, note, shown)


def totals(
    items: NDArray[np.float64], clusters: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums ``[G, k]`` and sizes ``[G]`` of the clusters of items ``[n, k]``."""
    if clusters is None:
        return items, np.ones(len(items))
    codes = cluster_codes(clusters, len(items))
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.zeros((len(sizes), items.shape[1]))
    np.add.at(sums, codes, items)
    return sums, sizes


def resampled(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means of k numbers in RESAMPLES draws of the clusters, ``[RESAMPLES, k]``.

    Args:
        sums: Sum of each number over each cluster, ``[G, k]``.
        sizes: Items of each cluster, ``[G]``.
        rng: Where the draws come from.
    """
    size = len(sizes)
    step = max(1, min(RESAMPLES, _CELLS // size))
    means = np.empty((RESAMPLES, sums.shape[1]))
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        weights = times.astype(np.float64)
        means[start : start + rows] = weights @ sums / (weights @ sizes)[:, None]
    return means


def ends(means: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 95 % interval of each column of resampled means, from ``size`` clusters."""
    tail = stats.norm.cdf(-stats.t.ppf(0.975, size - 1) * np.sqrt(size / (size - 1)))
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    return low, high


def two_sided(means: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """P value of "the mean is 0" for each column of resampled means, from ``size`` clusters."""
    beyond = np.minimum((means <= 0).sum(axis=0), (means >= 0).sum(axis=0))
    # 1 is added to both counts: the data themselves are one draw, and no p is 0.
    z = stats.norm.isf((1 + beyond) / (len(means) + 1))
    p = 2 * stats.t.sf(z * np.sqrt((size - 1) / size), size - 1)
    return np.clip(p, 2.0 ** (1 - size), 1.0)


def _bootstrapped(
    items: NDArray[np.float64], clusters: Sequence[Hashable] | None, seed: int
) -> tuple[float, float, float, int, str | None]:
    """Interval, p, number of clusters and note of the mean of the items."""
    sums, sizes = totals(items[:, None], clusters)
    size, unit, mean = len(sizes), _unit(clusters), float(items.mean())
    if size == 1:
        return mean, mean, 1.0, 1, _ONE.format(unit=unit)
    means = resampled(sums, sizes, np.random.default_rng(seed))
    low, high = ends(means, size)
    note = _NO_SPREAD.format(unit=unit) if low[0] == high[0] else None
    return float(low[0]), float(high[0]), float(two_sided(means, size)[0]), size, note


def _unit(clusters: Sequence[Hashable] | None) -> str:
    return "item" if clusters is None else "cluster"
