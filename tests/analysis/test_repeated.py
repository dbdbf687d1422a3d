"""Means over clusters and repeated measures, against SciPy, statsmodels and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from limbeck.analysis.repeated import cluster_mean, repeated_anova


def test_clusters_of_one_size_are_a_t_test_of_their_means():
    values = np.random.default_rng(0).normal(1, 2, (6, 4))
    found = cluster_mean(values.ravel(), np.repeat(np.arange(6), 4).tolist())
    known = stats.ttest_1samp(values.mean(axis=1), 0.5, alternative="greater")
    assert found.above(0.5) == pytest.approx(known.pvalue, rel=1e-12)
    assert found.below(0.5) == pytest.approx(1 - known.pvalue, rel=1e-12)
    both = stats.ttest_1samp(values.mean(axis=1), 0.5).confidence_interval()
    assert found.interval() == pytest.approx((both.low, both.high), rel=1e-12)


def test_each_item_its_own_cluster_is_the_ordinary_t_test():
    values = np.random.default_rng(1).normal(0, 1, 9)
    found = cluster_mean(values)
    assert found.error == pytest.approx(stats.sem(values), rel=1e-12)
    assert found.clusters == 9


def test_clusters_that_agree_have_the_evidence_of_their_signs():
    found = cluster_mean([0.1] * 5)
    assert (found.above(0), found.below(0), found.interval()) == (2**-5, 1.0, (found.mean,) * 2)


def test_one_cluster_is_refused():
    with pytest.raises(ValueError, match="one cluster says nothing"):
        cluster_mean([1.0, 2.0], ["a", "a"])


def test_repeated_measures_are_those_of_statsmodels():
    rng = np.random.default_rng(2)
    table = rng.normal(0, 1, (7, 3)) + rng.normal(0, 5, (7, 1)) + [0, 0.5, 1]
    long = pd.DataFrame(
        [(s, c, table[s, c]) for s in range(7) for c in range(3)], columns=["s", "c", "y"]
    )
    known = AnovaRM(long, "y", "s", within=["c"]).fit().anova_table.loc["c"]
    found = repeated_anova({str(c): table[:, c] for c in range(3)})
    assert found.statistic == pytest.approx(known["F Value"], rel=1e-9)
    # Greenhouse and Geisser's epsilon from the eigenvalues of the double-centred covariance.
    centre = np.eye(3) - 1 / 3
    values = np.linalg.eigvalsh(centre @ np.cov(table.T) @ centre)
    epsilon = values.sum() ** 2 / (2 * (values**2).sum())
    assert found.p == pytest.approx(
        stats.f.sf(found.statistic, 2 * epsilon, 12 * epsilon), rel=1e-9
    )
    assert found.low <= found.effect <= found.high


def test_two_conditions_are_a_paired_t_test():
    a, b = np.random.default_rng(3).normal(0, 1, (2, 8))
    assert repeated_anova({"a": a, "b": b}).p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_conditions_that_differ_alike_in_all_subjects_are_refused():
    subject = np.array([1.0, 5.0, 2.0])
    with pytest.raises(ValueError, match="F is not defined"):
        repeated_anova({"a": subject, "b": subject + 0.25})
