"""Each statistic against its library, a closed form, and simulation."""

import json
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import (
    mcnemar,
    mean_interval,
    paired_bootstrap,
    paired_ratio_bootstrap,
    proportion,
    ratio_of_sums,
)
from limbeck.analysis import statistics as module
from limbeck.analysis.estimate import Comparison, Estimate


def _outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


@pytest.fixture
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations repeat a test hundreds of times; 400 resamples each are enough for 5 %."""
    monkeypatch.setattr(module, "RESAMPLES", 400)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1, 1), (91, 500), (496, 500)])
def test_proportion_is_the_wilson_interval(right: int, n: int):
    found = proportion(np.arange(n) < right)
    z, share = stats.norm.ppf(0.975), right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert found.value == share
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilson_covers_the_true_share():
    rng = np.random.default_rng(1)
    found = [proportion(rng.random(120) < 0.8) for _ in range(1000)]
    covered = np.mean([one.low <= 0.8 <= one.high for one in found])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(
    "table", [(50, 12, 4, 34), (0, 1, 0, 0), (9, 0, 0, 3), (0, 7, 7, 0), (83, 358, 8, 51)]
)
def test_mcnemar_is_the_binomial_test_on_the_items_that_differ(table: tuple[int, int, int, int]):
    _, only_a, only_b, _ = table
    found = mcnemar(*_outcomes(*table))
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p == pytest.approx(expected)
    assert (found.n10, found.n01, found.n) == (only_a, only_b, sum(table))
    assert found.difference == pytest.approx((only_a - only_b) / sum(table))
    assert found.low <= found.difference <= found.high


def test_mcnemar_interval_is_the_normal_one_for_many_items():
    found = mcnemar(*_outcomes(700, 180, 120, 1000))
    standard_error = np.sqrt((300 / 2000 - 0.03**2) / 2000)
    assert found.low == pytest.approx(0.03 - 1.96 * standard_error, abs=0.001)
    assert found.high == pytest.approx(0.03 + 1.96 * standard_error, abs=0.001)


@pytest.mark.parametrize("test", [mcnemar, paired_bootstrap])
def test_swapping_the_models_turns_the_comparison_round(test):
    rng = np.random.default_rng(2)
    a, b = rng.random(200) < 0.7, rng.random(200) < 0.6
    one, other = test(a, b), test(b, a)
    assert other.difference == -one.difference
    assert other.p == one.p
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_mcnemar_seldom_sees_a_difference_where_there_is_none(fewer_resamples: None):
    """An exact test may be cautious, but must not cry wolf more often than it says."""
    rng = np.random.default_rng(3)
    draws = ((rng.random(200) < 0.6, rng.random(200) < 0.6) for _ in range(600))
    rejected = np.mean([mcnemar(a, b).p < 0.05 for a, b in draws])
    assert 0.01 <= rejected <= 0.06


def test_paired_bootstrap_rejects_at_its_rate_and_covers_at_its_level(fewer_resamples: None):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(600):
        shared = rng.gamma(2.0, size=100)
        found.append(paired_bootstrap(shared + rng.normal(size=100), shared + rng.normal(size=100)))
    assert 0.03 <= np.mean([one.p < 0.05 for one in found]) <= 0.08
    assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.97


def test_mean_interval_covers_the_true_mean(fewer_resamples: None):
    rng = np.random.default_rng(5)
    found = [mean_interval(rng.normal(3.0, 1.0, size=80)) for _ in range(600)]
    assert 0.93 <= np.mean([one.low <= 3.0 <= one.high for one in found]) <= 0.97


def test_paired_bootstrap_agrees_with_the_paired_t_test():
    rng = np.random.default_rng(6)
    a = rng.normal(size=400)
    b = a + rng.normal(0.1, 1.0, size=400)
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval()
    found = paired_bootstrap(a, b)
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.01)


def test_p_and_interval_of_the_bootstrap_tell_the_same_story():
    rng = np.random.default_rng(7)
    for shift in np.linspace(0, 0.4, 15):
        a = rng.normal(shift, 1.0, size=60)
        found = paired_bootstrap(a, np.zeros(60))
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0) or abs(found.p - 0.05) < 0.002


def test_ratio_of_sums_weighs_items_by_their_denominator():
    """A long document counts for more: bits per byte is not the mean of the documents' ratios."""
    assert ratio_of_sums([10, 90], [10, 30]).value == pytest.approx(2.5)
    found = paired_ratio_bootstrap([10, 90], [10, 30], [10, 30])
    assert found.difference == pytest.approx(1.5)


def test_ratio_with_equal_denominators_is_the_mean():
    values = np.random.default_rng(8).gamma(2.0, size=300)
    ratio, mean = ratio_of_sums(values, np.ones(300)), mean_interval(values)
    assert ratio.value == pytest.approx(mean.value)
    assert (ratio.low, ratio.high) == pytest.approx((mean.low, mean.high), abs=0.02)
    one = paired_ratio_bootstrap(values, values[::-1], np.ones(300))
    other = paired_bootstrap(values, values[::-1])
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.02)


def test_ratio_interval_is_that_of_the_delta_method():
    rng = np.random.default_rng(9)
    length = rng.integers(20, 200, size=2000).astype(float)
    bits = length * rng.normal(1.0, 0.2, size=2000)
    found = ratio_of_sums(bits, length)
    error = np.std(bits - found.value * length) / np.sqrt(2000) / length.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_many_items_need_little_memory():
    rng = np.random.default_rng(10)
    a, length = rng.gamma(2.0, size=5000), rng.integers(1, 99, size=5000)
    tracemalloc.start()
    paired_ratio_bootstrap(a, a + rng.normal(size=5000), length)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6  # all resamples at once would be 400 MB an array


@pytest.mark.parametrize(
    "found",
    [
        mcnemar([True], [False]),
        mcnemar([1, 1, 1], [1, 1, 1]),
        mcnemar([0, 0], [0, 0]),
        paired_bootstrap([0.3], [0.1]),
        paired_bootstrap([0.3, 0.7], [0.3, 0.7]),
        paired_ratio_bootstrap([3.0], [2.0], [4.0]),
    ],
)
def test_one_item_or_no_difference_proves_nothing(found: Comparison):
    assert found.p == 1
    assert found.low == found.high == found.difference
    assert found.note
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "found", [mean_interval([2.0]), mean_interval([2.0] * 9), ratio_of_sums([3, 6], [1, 2])]
)
def test_an_interval_without_width_says_so(found: Estimate):
    assert found.low == found.value == found.high
    assert found.note
    json.dumps(found.as_dict(), allow_nan=False)


def test_five_items_that_agree_are_not_certainty():
    assert paired_bootstrap([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]).p == pytest.approx(1 / 16)


def test_results_are_plain_json_and_repeat():
    rng = np.random.default_rng(11)
    a, b = rng.random(50) < 0.5, rng.random(50) < 0.5
    assert json.dumps(mcnemar(a, b).as_dict()) == json.dumps(mcnemar(a, b).as_dict())
    assert "note" not in mcnemar(a, b).as_dict()
    assert set(proportion(a).as_dict()) == {"value", "low", "high", "n"}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: proportion([]), "correct"),
        (lambda: proportion([0.5]), "correct"),
        (lambda: mcnemar([True], [True, False]), "a has 1, b has 2"),
        (lambda: mcnemar([True, np.nan], [True, False]), "a holds nan at item 1"),
        (lambda: paired_bootstrap([1.0, 2.0], [1.0, np.inf]), "b holds inf at item 1"),
        (lambda: paired_bootstrap([[1.0]], [[1.0]]), "a must be a non-empty vector"),
        (lambda: ratio_of_sums([1.0, 2.0], [1.0, 0.0]), "denominator must be positive"),
        (lambda: paired_ratio_bootstrap([1.0], [1.0], [1.0, 2.0]), "denominator has 2"),
        (lambda: mean_interval([]), "values"),
        (lambda: Estimate(np.nan, 0.0, 1.0, 5), "Estimate.value is nan"),
        (lambda: Comparison(0.0, 0.0, np.inf, 1.0, 5, "test"), "Comparison.high is inf"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
