"""Means of things that share something: a cluster counts once, and conditions repeat in each."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .alignment import cluster_codes
from .arrays import floats, same_length
from .estimate import Effect
from .noncentral import noncentrality


@dataclass(frozen=True)
class ClusterMean:
    """A mean, and how far clusters move it.

    Attributes:
        mean: Of all values.
        error: Its standard error, from what the clusters' sums differ by.
        clusters: How many of them there are.
    """

    mean: float
    error: float
    clusters: int

    def interval(self) -> tuple[float, float]:
        """The 95 % interval by Student's t with one degree of freedom less than clusters."""
        half = float(stats.t.ppf(0.975, self.clusters - 1)) * self.error if self.error else 0.0
        return self.mean - half, self.mean + half

    def above(self, bound: float) -> float:
        """One-sided p of "the mean is at most ``bound``"."""
        if self.error == 0:  # t is infinite; clusters that agree in sign are all the evidence
            return 2.0**-self.clusters if self.mean > bound else 1.0
        return float(stats.t.sf((self.mean - bound) / self.error, self.clusters - 1))

    def below(self, bound: float) -> float:
        """One-sided p of "the mean is at least ``bound``"."""
        return ClusterMean(-self.mean, self.error, self.clusters).above(-bound)


def cluster_mean(values: ArrayLike, clusters: Sequence[Hashable] | None = None) -> ClusterMean:
    """Mean of values that come in clusters, with a cluster-robust standard error.

    ``error^2 = G / (G - 1) * sum_g (sum_{i in g} (x_i - mean))^2 / n^2``, which for clusters of one
    size is the ordinary standard error of their means. A bootstrap of clusters aims at the same
    spread; of the handful that a study has, it is too sure, and Student's t is not.

    Args:
        values: One number per item, ``[n]``.
        clusters: The cluster of each item; without it, each item is one.

    Raises:
        ValueError: ``values`` is empty or not finite, or there are fewer than two clusters.
    """
    items = floats(values, "values")
    codes = np.arange(items.size) if clusters is None else cluster_codes(clusters, items.size)
    count = int(codes.max()) + 1
    if count < 2:
        raise ValueError("one cluster says nothing about others")
    mean = float(items.mean())
    sums = np.bincount(codes, items - mean)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / items.size
    # Equal numbers do not average to themselves exactly; what is left is rounding.
    if error < 1e-12 * max(1e-3, float(np.abs(items).max())):
        error = 0.0
    return ClusterMean(mean, error, count)


def repeated_anova(conditions: Mapping[str, ArrayLike]) -> Effect:
    """Do the means of conditions differ that were all tried on the same subjects?

    Repeated-measures analysis of variance; both degrees of freedom are cut by Greenhouse and
    Geisser's epsilon, since differences of conditions need not scatter alike. The effect is partial
    eta squared, with an interval from the noncentral F distribution, widened to hold it.

    Args:
        conditions: One number per subject, ``[n]``, in the same order, by condition: at least two.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, there are fewer than two
            subjects or conditions, or nothing but the conditions makes a difference.
    """
    columns = {name: floats(items, f"condition {name!r}") for name, items in conditions.items()}
    if len(columns) < 2:
        raise ValueError(f"conditions to compare must be two or more, got {len(columns)}")
    same_length(**columns)
    table = np.column_stack(list(columns.values()))
    n, k = table.shape
    if n < 2:
        raise ValueError("one subject says nothing about others")
    table = table - table.mean(axis=1, keepdims=True)
    means = table.mean(axis=0)
    rest = table - means
    between, within = n * float(means @ means), float((rest**2).sum())
    if within < 1e-24 * max(1e-6, between):
        raise ValueError("the subjects agree in every difference: F is not defined")
    spread = rest.T @ rest
    epsilon = float(np.trace(spread) ** 2 / ((k - 1) * (spread**2).sum()))
    upper, lower = (k - 1) * epsilon, (k - 1) * (n - 1) * epsilon
    statistic = (between / (k - 1)) / (within / ((k - 1) * (n - 1)))
    share = between / (between + within)
    ends = [noncentrality(statistic, upper, lower, level) for level in (0.975, 0.025)]
    low, high = (end / (end + upper + lower + 1) for end in ends)
    return Effect(
        share,
        min(low, share),
        max(high, share),
        stats.f.sf(statistic, upper, lower),
        n,
        "repeated-measures ANOVA (Greenhouse-Geisser)",
        statistic=statistic,
        df=f"{upper:.3g}, {lower:.3g}",
    )
