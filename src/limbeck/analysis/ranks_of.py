"""Several methods over many blocks: average ranks, and which of them do not differ.

After Demšar 2006 (Journal of Machine Learning Research 7): methods are ranked within each block (a
task, a cell of a study), and ranks are averaged over blocks. Friedman's test asks whether any
differ; which do is asked of each pair with Wilcoxon's signed ranks, corrected after Holm. Nemenyi's
critical difference is told beside it: it depends on which other methods were compared, so it does
not decide.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .arrays import floats, same_length
from .corrections import holm
from .differences import wilcoxon

ALPHA = 0.05


@dataclass(frozen=True)
class Pair:
    """Two methods over the same blocks.

    Attributes:
        better: The method with the better average rank.
        worse: The other.
        p: Two-sided p of Wilcoxon's signed ranks.
        p_corrected: The same after Holm, over all pairs.
    """

    better: str
    worse: str
    p: float
    p_corrected: float

    @property
    def differs(self) -> bool:
        """Whether the two differ at the 5 % level, over all pairs."""
        return self.p_corrected < ALPHA


@dataclass(frozen=True)
class AverageRanks:
    """Methods from the best average rank to the worst.

    Attributes:
        names: The methods.
        ranks: Average rank of each; 1 is best, methods that tie share theirs.
        blocks: Blocks that ranks were averaged over.
        statistic: Friedman's chi-squared, corrected for ties; None for two methods.
        p: Its p; for two methods, that of their pair.
        critical_difference: Nemenyi's, at the 5 % level, in ranks.
        pairs: Every pair, tested.
        groups: The largest runs of neighbours in which no pair differs, each of two or more.
        smallest_p: The smallest corrected p that so few blocks and so many pairs could give.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    blocks: int
    statistic: float | None
    p: float
    critical_difference: float
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[str, ...], ...]
    smallest_p: float

    @property
    def decisive(self) -> bool:
        """Whether there are blocks enough for any pair to differ at the 5 % level."""
        return self.smallest_p < ALPHA


def average_ranks(scores: Mapping[str, ArrayLike], higher_is_better: bool = True) -> AverageRanks:
    """Rank methods within each block, average over blocks, and test.

    Args:
        scores: One number per block and method, ``[n]`` each, all in the same order of blocks: at
            least two methods and two blocks.
        higher_is_better: Whether the highest score takes rank 1.

    Raises:
        ValueError: There are too few methods or blocks, lengths differ, or a score is not finite.
    """
    if len(scores) < 2:
        raise ValueError(f"ranks need two methods or more, got {len(scores)}")
    values = {name: floats(items, f"scores of {name!r}") for name, items in scores.items()}
    same_length(**values)
    table = np.column_stack(list(values.values()))  # [n, k]
    n, k = table.shape
    if n < 2:
        raise ValueError("ranks of one block are no average: two blocks or more are needed")
    averages = stats.rankdata(-table if higher_is_better else table, axis=1).mean(axis=0)
    order = np.argsort(averages, kind="stable")
    names = [list(values)[place] for place in order]
    pairs = _pairs(names, values)
    statistic, p = _friedman(table) if k > 2 else (None, pairs[0].p)
    return AverageRanks(
        tuple(names),
        tuple(float(averages[place]) for place in order),
        n,
        statistic,
        p,
        critical_difference(k, n),
        pairs,
        _groups(names, pairs),
        min(1.0, math.comb(k, 2) * 2.0 ** (1 - n)),
    )


def critical_difference(methods: int, blocks: int, alpha: float = ALPHA) -> float:
    r"""Nemenyi's critical difference of two average ranks.

    .. math:: q_\alpha \sqrt{k (k + 1) / (6 n)}

    with q of the studentised range for k means and infinite degrees of freedom, over the square
    root of two.

    Args:
        methods: How many are ranked, k.
        blocks: How many ranks are averaged, n.
        alpha: The chance of any false alarm.
    """
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def _friedman(table: NDArray[np.float64]) -> tuple[float, float]:
    if (np.ptp(table, axis=1) == 0).all():  # ties everywhere: the statistic is 0 / 0
        return 0.0, 1.0
    found = stats.friedmanchisquare(*table.T)
    return float(found.statistic), float(found.pvalue)


def _pairs(names: list[str], values: Mapping[str, NDArray[np.float64]]) -> tuple[Pair, ...]:
    both = list(combinations(names, 2))
    ps = [_p(values[first], values[second]) for first, second in both]
    return tuple(
        Pair(first, second, p, float(adjusted))
        for (first, second), p, adjusted in zip(both, ps, holm(ps), strict=True)
    )


def _p(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """P of the signed ranks, never below what the signs of the blocks that differ can give.

    Where differences tie, the test's p is approximate, and for a few blocks too small.
    """
    differ = int(np.count_nonzero(a - b))
    return max(wilcoxon(a, b).p, 2.0 ** (1 - differ)) if differ else 1.0


def _groups(names: list[str], pairs: tuple[Pair, ...]) -> tuple[tuple[str, ...], ...]:
    """Runs of neighbours without a pair that differs, none inside another."""
    apart = {(pair.better, pair.worse) for pair in pairs if pair.differs}
    found: list[tuple[int, int]] = []
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            (names[i], names[last + 1]) in apart for i in range(first, last + 1)
        ):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(tuple(names[first : last + 1]) for first, last in found)
