"""Estimates with intervals, and paired comparisons of two models on the same items.

Items must be independent of one another. Tokens of one sequence are not: give one number per
sequence and divide by :func:`ratio_of_sums`, as for bits per byte or nats per token.

Every bootstrap resamples items 10,000 times; its memory is bounded, whatever the number of items.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.proportion import proportion_confint

from .arrays import floats, outcomes, same_length
from .estimate import Comparison, Estimate

RESAMPLES = 10_000
_CELLS = 2_000_000  # resampled numbers held at a time: 16 MB per array
_ONE_ITEM = "one item says nothing about others: the interval has no width"
_NO_SPREAD = "the items do not differ: the interval has no width"


def proportion(correct: ArrayLike) -> Estimate:
    """Share of right outcomes with its Wilson score interval.

    Args:
        correct: Right or wrong for each item, ``[n]``.

    Raises:
        ValueError: ``correct`` is empty, or holds anything but right and wrong.
    """
    right = outcomes(correct, "correct")
    low, high = proportion_confint(int(right.sum()), right.size, alpha=0.05, method="wilson")
    # Rounding can put an end of the interval a hair's breadth past 0, 1 or the share itself.
    share = float(right.mean())
    return Estimate(share, max(0.0, min(low, share)), min(1.0, max(high, share)), right.size)


def mean_interval(values: ArrayLike, seed: int = 0) -> Estimate:
    """Mean of one number per item, with a bootstrap interval (BCa, else percentile).

    Raises:
        ValueError: ``values`` is empty or not finite.
    """
    items = floats(values, "values")
    return _estimate((items,), np.mean, float(items.mean()), seed)


def ratio_of_sums(numerator: ArrayLike, denominator: ArrayLike, seed: int = 0) -> Estimate:
    """Sum over sum, such as bits per byte of a text, with a bootstrap interval over its items.

    Args:
        numerator: One number per item, ``[n]``: for instance the bits of a document.
        denominator: One positive number per item, ``[n]``: for instance its bytes.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or a denominator is not
            positive.
    """
    top, bottom = floats(numerator, "numerator"), _positive(denominator)
    same_length(numerator=top, denominator=bottom)
    return _estimate((top, bottom), _ratio, float(top.sum() / bottom.sum()), seed)


def mcnemar(a: ArrayLike, b: ArrayLike, seed: int = 0) -> Comparison:
    """Difference of two accuracies on the same items: exact McNemar test, bootstrap interval.

    Only the items that one model has right and the other wrong carry evidence; under "no
    difference" each falls either way with probability 1/2, so p is a two-sided binomial tail.

    Args:
        a: Right or wrong for each item, ``[n]``.
        b: The same of the other model, on the same items in the same order.
        seed: Seed of the resampling that gives the interval.

    Raises:
        ValueError: An array is empty or holds anything but right and wrong, or lengths differ.
    """
    right_a, right_b = outcomes(a, "a"), outcomes(b, "b")
    same_length(a=right_a, b=right_b)
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    p = min(1.0, float(mcnemar_test([[0, only_a], [only_b, 0]], exact=True).pvalue))
    items = right_a.astype(np.float64) - right_b
    low, high, _ = _percentile((items,), np.mean, seed)
    return Comparison(
        (only_a - only_b) / items.size,
        low,
        high,
        p,
        items.size,
        "exact McNemar",
        n10=only_a,
        n01=only_b,
        note=_note((items,), low == high),
    )


def paired_bootstrap(a: ArrayLike, b: ArrayLike, seed: int = 0) -> Comparison:
    """Difference of the means of two models' per-item numbers, resampling the items in pairs.

    The interval is the percentile interval, and p inverts it: twice the smaller tail of resampled
    differences at or beyond 0, ``2 (1 + count) / (resamples + 1)``. It is never below
    ``2^(1-n)``, the smallest two-sided p that n signs can give: a handful of items is no certainty.

    Args:
        a: One number per item, ``[n]``.
        b: The same of the other model, on the same items in the same order.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, or lengths differ.
    """
    first, second = floats(a, "a"), floats(b, "b")
    same_length(a=first, b=second)
    items = first - second
    return _compare((items,), np.mean, float(items.mean()), seed)


def paired_ratio_bootstrap(
    a: ArrayLike, b: ArrayLike, denominator: ArrayLike, seed: int = 0
) -> Comparison:
    """Difference of two ratios of sums over the same items, such as bits per byte of two models.

    Interval and p are those of :func:`paired_bootstrap`.

    Args:
        a: Numerators of one model, ``[n]``: for instance its bits for each document.
        b: Numerators of the other model on the same items.
        denominator: What both are divided by, ``[n]``, positive: for instance the documents' bytes.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or a denominator is not
            positive.
    """
    first, second, bottom = floats(a, "a"), floats(b, "b"), _positive(denominator)
    same_length(a=first, b=second, denominator=bottom)
    # Both ratios share their denominator, so their difference is itself one ratio of sums.
    items = first - second
    return _compare((items, bottom), _ratio, float(items.sum() / bottom.sum()), seed)


def _positive(denominator: ArrayLike) -> NDArray[np.float64]:
    array = floats(denominator, "denominator")
    bad = np.flatnonzero(array <= 0)
    if bad.size:
        raise ValueError(f"denominator must be positive, but item {bad[0]} is {array[bad[0]]}")
    return array


def _ratio(numerator: NDArray, denominator: NDArray, axis: int = -1) -> NDArray:
    return numerator.sum(axis=axis) / denominator.sum(axis=axis)


def _estimate(
    data: tuple[NDArray, ...], statistic: Callable[..., NDArray], value: float, seed: int
) -> Estimate:
    n = data[0].size
    if n == 1:
        return Estimate(value, value, value, n, _ONE_ITEM)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        low, high = _bootstrap(data, statistic, seed, "BCa").confidence_interval
    if not np.isfinite((low, high)).all():  # BCa needs items that differ
        low, high, _ = _percentile(data, statistic, seed)
    return Estimate(value, low, high, n, _note(data, low == high))


def _compare(
    data: tuple[NDArray, ...], statistic: Callable[..., NDArray], value: float, seed: int
) -> Comparison:
    n = data[0].size
    low, high, resampled = _percentile(data, statistic, seed)
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    p = 2 * (1 + int(tail)) / (RESAMPLES + 1)
    p = min(1.0, max(p, 2.0 ** (1 - n)))
    return Comparison(value, low, high, p, n, "paired bootstrap", note=_note(data, low == high))


def _percentile(
    data: tuple[NDArray, ...], statistic: Callable[..., NDArray], seed: int
) -> tuple[float, float, NDArray]:
    """Percentile interval, and the resampled statistics it was read from."""
    if data[0].size == 1:  # resampling one item gives that item
        resampled = np.full(RESAMPLES, float(statistic(*data, axis=-1)))
        return float(resampled[0]), float(resampled[0]), resampled
    result = _bootstrap(data, statistic, seed, "percentile")
    low, high = result.confidence_interval
    return float(low), float(high), result.bootstrap_distribution


def _bootstrap(
    data: tuple[NDArray, ...], statistic: Callable[..., NDArray], seed: int, method: str
) -> Any:
    return stats.bootstrap(
        data,
        statistic,
        paired=len(data) > 1,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, min(RESAMPLES, _CELLS // data[0].size)),
        method=method,
        random_state=np.random.default_rng(seed),
    )


def _note(data: tuple[NDArray, ...], no_width: bool) -> str | None:
    if not no_width:
        return None
    return _ONE_ITEM if data[0].size == 1 else _NO_SPREAD
