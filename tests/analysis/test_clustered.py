"""Bootstraps that resample documents; their calibration is in test_null.py."""

import json

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import (
    clustered,
    clustered_difference,
    clustered_mean,
    mean_interval,
    paired_bootstrap,
    ratio_of_means,
)


def _pair(seed: int, clusters: int = 80, shift: float = 0.0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), rng.integers(1, 9, size=clusters))
    own = rng.normal(size=clusters)[codes]
    return own + rng.normal(size=codes.size) + shift, rng.normal(size=codes.size), codes.tolist()


def test_many_clusters_have_the_interval_of_the_sandwich():
    a, b, codes = _pair(1, clusters=2000, shift=0.1)
    items = a - b
    sums = np.bincount(codes, items - items.mean())
    error = np.sqrt((sums**2).sum()) / items.size
    found = clustered_difference(a, b, codes)
    assert found.difference == pytest.approx(items.mean())
    assert (found.low, found.high) == pytest.approx(
        (items.mean() - 1.96 * error, items.mean() + 1.96 * error), abs=0.05 * error
    )
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(items.mean()) / error), abs=0.01)
    assert (found.n, found.clusters, found.test) == (
        items.size,
        2000,
        "paired bootstrap by cluster",
    )


def test_few_clusters_have_the_interval_of_student():
    """With 12 documents the normal interval is a tenth too narrow."""
    rng = np.random.default_rng(2)
    for size in (12, 25):
        items = rng.normal(0.3, 1.0, size=size)
        expected = stats.ttest_1samp(items, 0.0)
        found = clustered_difference(items, np.zeros(size), range(size))
        ends = expected.confidence_interval()
        assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.12)
        assert found.p == pytest.approx(expected.pvalue, abs=0.03)


@pytest.mark.parametrize("size", [5, 10, 400])
def test_normal_resamples_give_exactly_students_interval_and_p(size: int):
    """Resampled means scatter by sd / sqrt(G), with G below the sum of squares; t has G - 1."""
    mean, error = 0.3, 0.2
    grid = (np.arange(1_000_000) + 0.5) / 1_000_000
    drawn = mean + error * np.sqrt((size - 1) / size) * stats.norm.ppf(grid)[:, None]
    low, high = clustered.ends(drawn, size)
    half = stats.t.ppf(0.975, size - 1) * error
    assert (low[0], high[0]) == pytest.approx((mean - half, mean + half), abs=0.01 * half)
    expected = max(2 * stats.t.sf(mean / error, size - 1), 2.0 ** (1 - size))
    assert clustered.two_sided(drawn, size)[0] == pytest.approx(expected, rel=1e-3)


def test_long_documents_count_for_more_and_equal_items_have_no_scatter():
    """Sums over a fixed size would call the unequal lengths of documents a scatter."""
    found = clustered_mean(np.ones(10), [*"abbccccddd"])
    assert found.value == found.low == found.high == 1


def test_without_clusters_it_is_the_ordinary_bootstrap():
    a, b, _ = _pair(3, clusters=150)
    one, other = clustered_difference(a, b), paired_bootstrap(a, b)
    assert one.difference == pytest.approx(other.difference)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.01)
    assert one.p == pytest.approx(other.p, abs=0.01)
    assert one.clusters is None and one.test == "paired bootstrap"
    mean, expected = clustered_mean(a), mean_interval(a)
    assert (mean.low, mean.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_a_question_asked_ten_times_is_one_question():
    """Copies would shrink the interval to a third, and prove differences that are not there."""
    rng = np.random.default_rng(4)
    a, b = rng.random(60) < 0.6, rng.random(60) < 0.5
    once = clustered_difference(a, b)
    copies = clustered_difference(
        np.repeat(a, 10), np.repeat(b, 10), np.repeat(range(60), 10).tolist()
    )
    assert (copies.low, copies.high, copies.p) == pytest.approx((once.low, once.high, once.p))
    assert (copies.n, copies.clusters) == (600, 60)


def test_swapping_the_models_turns_the_comparison_round():
    a, b, codes = _pair(5)
    one, other = clustered_difference(a, b, codes), clustered_difference(b, a, codes)
    assert (other.difference, other.p) == (-one.difference, one.p)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_p_and_interval_tell_the_same_story():
    for shift in np.linspace(0, 0.6, 20):
        a, b, codes = _pair(6, clusters=30, shift=shift)
        found = clustered_difference(a, b, codes)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0) or abs(found.p - 0.05) < 0.003


@pytest.mark.parametrize(
    ("a", "b", "clusters", "note"),
    [
        ([1.0], [0.0], None, "one item says nothing"),
        ([1.0, 1.0, 0.0], [0.0, 1.0, 0.0], ["d", "d", "d"], "one cluster says nothing"),
        ([1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 2, 2], "clusters do not differ"),
        ([0, 0, 0], [0, 0, 0], None, "items do not differ"),
        ([0.2, 0.7], [0.2, 0.7], None, "items do not differ"),
    ],
)
def test_one_cluster_or_no_difference_proves_nothing(a, b, clusters, note: str):
    found = clustered_difference(a, b, clusters)
    assert found.p == 1
    assert found.low == found.high == found.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert note in found.note
    json.dumps(found.as_dict(), allow_nan=False)
    assert note in clustered_mean(np.subtract(a, b), clusters).note


def test_five_documents_that_agree_are_not_certainty():
    assert (
        clustered_difference(np.ones(50), np.zeros(50), np.repeat(range(5), 10).tolist()).p
        >= 1 / 16
    )


def test_the_recovered_share_of_a_gap():
    rng = np.random.default_rng(7)
    base, teacher = rng.random(2000) < 0.4, rng.random(2000) < 0.7
    student = np.where(rng.random(2000) < 0.5, base, teacher)
    found = ratio_of_means(student * 1.0 - base, teacher * 1.0 - base)
    assert found.value == pytest.approx(
        (student.mean() - base.mean()) / (teacher.mean() - base.mean())
    )
    assert found.low < 0.5 < found.high
    # delta method
    gap = teacher.mean() - base.mean()
    rest = (student * 1.0 - base) - found.value * (teacher * 1.0 - base)
    assert found.high - found.low == pytest.approx(
        2 * 1.96 * rest.std() / np.sqrt(2000) / gap, rel=0.1
    )
    by_document = ratio_of_means(student, teacher, np.repeat(range(200), 10).tolist())
    assert by_document.clusters == 200


@pytest.mark.parametrize("whole", [[0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [1.0]])
def test_a_share_of_a_gap_within_noise_means_nothing(whole):
    assert ratio_of_means(np.ones(len(whole)), whole) is None


def test_results_repeat():
    a, b, codes = _pair(8)
    assert clustered_difference(a, b, codes) == clustered_difference(a, b, codes)
    assert clustered_difference(a, b, codes, seed=1) != clustered_difference(a, b, codes)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: clustered_difference([1.0, np.nan], [1.0, 2.0]), "a holds nan at item 1"),
        (lambda: clustered_difference([1.0], [1.0, 2.0]), "a has 1, b has 2"),
        (lambda: clustered_difference([], []), "a must be a non-empty vector"),
        (lambda: clustered_difference([1.0], [1.0], ["x", "y"]), "has 2 for 1 items"),
        (lambda: clustered_mean([np.inf]), "values holds inf at item 0"),
        (lambda: ratio_of_means([1.0], [1.0, 2.0]), "part has 1, whole has 2"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("size", [4, 5, 6, 8, 12])
def test_a_share_of_a_gap_on_few_items_is_a_number(size: int):
    """Draws without any of them were 0/0, which ended the whole report."""
    whole = np.zeros(100)
    whole[:size] = 1.0
    part = np.where(np.arange(100) % 2, whole, 0.0)
    found = ratio_of_means(part, whole)
    assert found is not None
    assert 0 <= found.low < found.value == part.sum() / size < found.high <= 1
    lost = ratio_of_means(part, -whole)
    assert lost is not None
    assert (lost.low, lost.high) == pytest.approx((-found.high, -found.low))
