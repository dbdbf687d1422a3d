"""Signed ranks, t and analysis of variance against SciPy, brute force and simulation."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import anova, one_sample_t, wilcoxon
from limbeck.analysis.differences import _lowest_rank


@pytest.mark.parametrize("n", [2, 7, 30, 51, 400])
@pytest.mark.parametrize("kind", ["continuous", "tied"])
def test_wilcoxon_is_scipys_and_its_effect_the_median_of_all_pairs(n: int, kind: str):
    rng = np.random.default_rng(n)
    items = rng.normal(0.3, 1.0, size=n)
    if kind == "tied":
        items = np.round(items * 2) / 2
        items[0] = 0.5
    found = wilcoxon(items, np.zeros(n))
    walsh = np.sort([(x + y) / 2 for i, x in enumerate(items) for y in items[i:]])
    rank = _lowest_rank(n)
    assert found.difference == pytest.approx(np.median(walsh), abs=1e-12)
    assert found.low == pytest.approx(walsh[rank - 1], abs=1e-12)
    assert found.high == pytest.approx(walsh[-rank], abs=1e-12)
    if kind == "tied":  # quarters are floats, and so are the ends
        assert (found.low, found.high) == (walsh[rank - 1], walsh[-rank])
    used = items[items != 0]
    tied = len(set(np.abs(used))) < used.size
    method = "exact" if used.size <= 50 and not tied else "asymptotic"
    assert found.p == pytest.approx(stats.wilcoxon(used, method=method).pvalue)


def test_an_interval_that_ends_at_nothing_ends_at_zero():
    """A hair above 0 would read as a difference."""
    rng = np.random.default_rng(7)
    for share in (0.1, 0.2, 0.3, 0.4):
        found = wilcoxon(rng.random(200) < share, rng.random(200) < 0.25)
        assert {found.low, found.high, found.difference} <= {-0.5, 0.0, 0.5}


@pytest.mark.parametrize("n", [6, 9, 12])
def test_the_interval_ends_where_all_signs_counted_out_say(n: int):
    """All 2^n signs: fewer than 2.5 % of them reach the ranks left outside."""
    sums = [
        sum(rank for rank, sign in zip(range(1, n + 1), signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=n)
    ]
    rank = _lowest_rank(n)
    assert np.mean(np.array(sums) <= rank - 1) <= 0.025 < np.mean(np.array(sums) <= rank)


def test_p_and_interval_of_the_signed_ranks_tell_the_same_story():
    rng = np.random.default_rng(1)
    for shift in np.linspace(0, 1, 60):
        found = wilcoxon(rng.normal(shift, 1, size=15), np.zeros(15))
        assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_an_outlier_weighs_by_its_rank_only():
    a = np.r_[np.linspace(0.1, 1.0, 20), -3.0]
    b = np.zeros(21)
    far = wilcoxon(np.r_[a[:-1], -3e9], b)
    assert far == wilcoxon(a, b)


@pytest.mark.parametrize(
    ("a", "b", "difference", "p"),
    [
        ([0.7], [0.2], 0.5, 1.0),
        ([1, 1, 1], [1, 1, 1], 0.0, 1.0),
        ([0, 0], [0, 0], 0.0, 1.0),
        (np.ones(6), np.zeros(6), 1.0, None),
    ],
)
def test_degenerate_signed_ranks(a, b, difference: float, p: float | None):
    found = wilcoxon(a, b)
    assert found.difference == found.low == found.high == pytest.approx(difference)
    assert found.p == p if p else 0.01 < found.p < 0.05
    assert (found.note is None) == (p is None)
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_t_is_scipys(alternative):
    items = np.random.default_rng(2).normal(0.4, 1, size=33)
    found, expected = one_sample_t(items, 0.1, alternative), stats.ttest_1samp(items, 0.1)
    ends = expected.confidence_interval()
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(stats.ttest_1samp(items, 0.1, alternative=alternative).pvalue)
    assert (found.low, found.high) == pytest.approx((ends.low - 0.1, ends.high - 0.1))
    assert found.effect == pytest.approx(items.mean() - 0.1) and found.df == "32"


@pytest.mark.parametrize(
    ("values", "alternative", "p"),
    [
        ([0.5], "two-sided", 1.0),
        ([0.0, 0.0], "two-sided", 1.0),
        ([0.0, 0.0], "greater", 1.0),
        ([2.0] * 5, "two-sided", 1 / 16),
        ([2.0] * 5, "greater", 1 / 32),
        ([2.0] * 5, "less", 1.0),
        ([-2.0] * 5, "less", 1 / 32),
        ([0.1] * 3, "two-sided", 1 / 4),  # the mean of three 0.1 is not 0.1
    ],
)
def test_values_that_do_not_differ_give_the_p_of_their_signs(values, alternative, p: float):
    found = one_sample_t(values, 0.0, alternative)
    assert found.p == p and found.note
    assert found.low == found.effect == found.high == values[0]


def test_anova_is_scipys():
    rng = np.random.default_rng(3)
    groups = {name: rng.normal(shift, 1, size=11) for name, shift in (("a", 0), ("b", 1), ("c", 0))}
    found, expected = anova(groups), stats.f_oneway(*groups.values())
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    everything = np.concatenate(list(groups.values()))
    between = sum(11 * (v.mean() - everything.mean()) ** 2 for v in groups.values())
    assert found.effect == pytest.approx(between / ((everything - everything.mean()) ** 2).sum())
    assert (found.df, found.n) == ("2, 30", 33)


def test_two_groups_are_the_t_test_of_two_samples():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=20), rng.normal(0.7, 1, size=25)
    found, expected = anova({"a": a, "b": b}), stats.ttest_ind(a, b)
    assert found.statistic == pytest.approx(expected.statistic**2)
    assert found.p == pytest.approx(expected.pvalue)


def test_the_interval_of_eta_squared_is_where_the_noncentral_f_says():
    rng = np.random.default_rng(5)
    found = anova({"a": rng.normal(size=30), "b": rng.normal(1, 1, size=30)})
    for end, level in ((found.low, 0.975), (found.high, 0.025)):
        noncentrality = 60 * end / (1 - end)
        assert stats.ncf.cdf(found.statistic, 1, 58, noncentrality) == pytest.approx(
            level, abs=1e-6
        )


def test_the_interval_of_eta_squared_covers():
    rng, means = np.random.default_rng(6), np.array([0.0, 0.5, 1.0])
    truth = (12 * ((means - 0.5) ** 2).sum() / 36) / (12 * ((means - 0.5) ** 2).sum() / 36 + 1)
    found = [anova({str(m): rng.normal(m, 1, size=12) for m in means}) for _ in range(400)]
    assert 0.925 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.975


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: wilcoxon([1.0, np.nan], [1.0, 1.0]), "a holds nan at item 1"),
        (lambda: wilcoxon([1.0], [1.0, 1.0]), "a has 1, b has 2"),
        (lambda: one_sample_t([]), "values must be a non-empty vector"),
        (lambda: one_sample_t([np.inf]), "values holds inf at item 0"),
        (lambda: anova({"kd": [1.0, 2.0]}), "two groups or more, got 1"),
        (lambda: anova({"kd": [1.0, 2.0], "gkd": []}), "group 'gkd' must be"),
        (lambda: anova({"kd": [1.0, 2.0], "gkd": [np.nan]}), "group 'gkd' holds nan at item 0"),
        (lambda: anova({"kd": [1.0], "gkd": [2.0]}), "no scatter"),
        (lambda: anova({"kd": [1.0, 1.0], "gkd": [2.0, 2.0]}), "F is not defined"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()


def test_anova_of_groups_that_hardly_scatter_ends():
    """The search for the interval went on for ever."""
    near = anova({"a": [0, 1e-3, 2e-3], "b": [1, 1.001, 1.003]})
    assert near.statistic is not None and near.statistic < 1e6 and near.low < near.effect
    for width in (1e-5, 1e-9):
        found = anova({"a": [0, width, 2 * width], "b": [1, 1 + width, 1 + 3 * width]})
        assert 0.999 < found.low <= found.effect <= found.high <= 1
        assert 1 - found.low == pytest.approx((1 - near.low) * (width / 1e-3) ** 2, rel=0.05)


@pytest.mark.parametrize(("n", "covered"), [(2, "50 %"), (3, "75 %"), (5, "93.8 %"), (6, None)])
def test_wilcoxon_says_what_few_items_can_cover(n: int, covered: str | None):
    found = wilcoxon(np.arange(1.0, n + 1), np.zeros(n))
    assert (found.low, found.high) == (1, n)
    assert (found.note is None) if covered is None else (found.note or "").endswith(covered)


def test_wilcoxon_with_ties_is_no_surer_than_the_signs_can_be():
    """Six items that differ alike: all signs the same happens once in 32."""
    assert wilcoxon([2.0] * 6, [1.0] * 6).p == 1 / 32
    assert wilcoxon([2.0, 2.0, 3.0], [1.0, 1.0, 2.0]).p == 1 / 4
