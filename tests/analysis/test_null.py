"""Where there is no difference: how often each test sees one, and how often intervals hold 0.

10,000 pairs of models with the same accuracy. A rate may differ from its nominal value by what
10,000 draws leave open: 2.6 binomial standard errors, 99 %.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import (
    clustered,
    clustered_difference,
    mcnemar,
    mcnemar_power,
    mixed_model,
    one_sample_t,
    spearman,
    statistics,
    wilcoxon,
)

PAIRS = 10_000


def _error(rate: float, draws: int = PAIRS) -> float:
    return 2.576 * np.sqrt(rate * (1 - rate) / draws)


def _clustered_outcomes(rng: np.random.Generator, codes: np.ndarray, pairs: int):
    """Right/wrong of two equal models on questions about documents, ``[n, pairs]`` each.

    Documents are hard for both models, and suit one of them better by chance.
    """
    documents = codes.max() + 1
    hard = rng.normal(size=(documents, pairs))
    sides = []
    for _ in range(2):
        own = rng.normal(scale=0.8, size=(documents, pairs))
        chance = 1 / (1 + np.exp(-(0.5 + hard + own)))
        sides.append(rng.random((codes.size, pairs)) < chance[codes])
    return sides


def test_clustered_bootstrap_rejects_at_its_rate_and_covers_at_its_level(monkeypatch):
    """Every twentieth distillation that changed nothing may be called a change, but no more."""
    monkeypatch.setattr(clustered, "RESAMPLES", 1000)
    rng = np.random.default_rng(11)
    codes = np.repeat(np.arange(60), rng.integers(8, 21, size=60))
    sizes = np.bincount(codes).astype(float)
    rejected = covered = single = 0
    for block in range(10):
        a, b = _clustered_outcomes(rng, codes, PAIRS // 10)
        lead = a.astype(float) - b
        sums = np.zeros((60, PAIRS // 10))
        np.add.at(sums, codes, lead)
        means = clustered.resampled(sums, sizes, np.random.default_rng(block))
        low, high = clustered.ends(means, 60)
        p = clustered.two_sided(means, 60)
        rejected += int((p < 0.05).sum())
        covered += int(((low <= 0) & (high >= 0)).sum())
        single += int((stats.ttest_1samp(lead, 0).pvalue < 0.05).sum())
        # The public function is these three, on one pair.
        one = clustered_difference(a[:, 7], b[:, 7], codes.tolist(), seed=block)
        assert (one.low, one.high, one.p) == pytest.approx((low[7], high[7], p[7]))
    assert abs(rejected / PAIRS - 0.05) < _error(0.05)
    assert 0.94 <= covered / PAIRS <= 0.96
    assert single / PAIRS > 0.06  # what happens to those who forget the documents


def test_mcnemar_rejects_as_often_as_its_exact_power_says(monkeypatch):
    """Exact, so never above 5 %; the interval beside it covers at its level.

    With 120 items it covers up to 96.3 %: accuracies move in steps, and the ends lie on them.
    """
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    rng, n = np.random.default_rng(12), 200
    a, b = rng.random((PAIRS, n)) < 0.7, rng.random((PAIRS, n)) < 0.7

    @cache
    def found(only_a: int, only_b: int) -> tuple[bool, bool]:
        one, other = np.zeros(n), np.zeros(n)
        one[:only_a] = other[only_a : only_a + only_b] = 1
        result = mcnemar(one, other)
        return result.p < 0.05, result.low <= 0 <= result.high

    tables = zip((a & ~b).sum(axis=1).tolist(), (b & ~a).sum(axis=1).tolist(), strict=True)
    rejected, covered = np.mean([found(*table) for table in tables], axis=0)
    nominal = mcnemar_power(n, 0.42, 0.0)
    assert nominal < 0.05
    assert abs(rejected - nominal) < _error(nominal)
    assert 0.94 <= covered <= 0.96


@pytest.mark.parametrize(
    "test",
    [
        lambda a, b: one_sample_t(a - b),
        lambda a, b: wilcoxon(a, b),
        lambda a, b: spearman(a, b),
        lambda a, b: mixed_model(
            np.concatenate([a, b]),
            {"model": np.repeat([1, 0], a.size)},
            [*range(a.size)] * 2,
        ).effects["model"],
    ],
    ids=["t", "wilcoxon", "spearman", "mixed"],
)
def test_other_tests_reject_and_cover_at_their_level(test):
    rng, draws = np.random.default_rng(13), 400
    rejected = covered = 0
    for _ in range(draws):
        found = test(rng.normal(size=30), rng.normal(size=30))
        rejected += found.p < 0.05
        covered += found.low <= 0 <= found.high
    assert abs(rejected / draws - 0.05) < _error(0.05, draws)
    assert abs(covered / draws - 0.95) < _error(0.05, draws)
