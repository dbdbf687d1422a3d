"""pass@k: how often at least one of k samples of a problem is right, estimated from more."""

import numpy as np
from numpy.typing import ArrayLike

from .arrays import floats, same_length
from .estimate import Estimate
from .statistics import mean_interval


def pass_at_k(n: int, c: int, k: int) -> float:
    r"""Chance that k of a problem's n samples, drawn without replacement, hold a right one.

    .. math:: 1 - \binom{n-c}{k} / \binom{n}{k} = 1 - \prod_{i=n-c+1}^{n} (1 - k/i)

    The unbiased estimate of Chen et al. 2021 (arXiv 2107.03374); unlike ``1 - (1 - c/n)^k``.

    Args:
        n: Samples of the problem.
        c: Right ones among them.
        k: Samples that a user would look at.

    Raises:
        ValueError: Not ``0 <= c <= n`` and ``1 <= k <= n``.
    """
    if not 0 <= c <= n:
        raise ValueError(f"c must be from 0 to n = {n}, got {c}")
    if not 1 <= k <= n:
        raise ValueError(f"k must be from 1 to n = {n}, got {k}: pass@k needs k samples a problem")
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def mean_pass_at_k(samples: ArrayLike, correct: ArrayLike, k: int, seed: int = 0) -> Estimate:
    """pass@k over problems, with a bootstrap interval over problems.

    Args:
        samples: Samples of each problem, ``[problems]``, at least k.
        correct: Right ones among them, ``[problems]``.
        k: Samples that a user would look at.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or a problem's counts are
            impossible; the problem is named.
    """
    tries, right = floats(samples, "samples"), floats(correct, "correct")
    same_length(samples=tries, correct=right)
    chances = []
    for i, (n, c) in enumerate(zip(tries, right, strict=True)):
        if not (n.is_integer() and c.is_integer()):
            raise ValueError(f"problem {i}: {c} right ones of {n} samples are no counts")
        try:
            chances.append(pass_at_k(int(n), int(c), k))
        except ValueError as error:
            raise ValueError(f"problem {i}: {error}") from None
    return mean_interval(chances, seed)
