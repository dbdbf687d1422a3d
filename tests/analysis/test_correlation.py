"""Rank correlations against SciPy, the closed form for one variable held fixed, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import partial_spearman, spearman


@pytest.mark.parametrize("n", [7, 11, 33, 400])
@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_scipys(n: int, ties: bool):
    rng = np.random.default_rng(n)
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    if ties:
        x, y = np.round(x), np.round(y)
        x[:2], y[:2] = (0, 1), (2, 0)
    found, expected = spearman(x, y), stats.spearmanr(x, y)
    assert found.effect == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)
    assert -1 <= found.low <= found.effect <= found.high <= 1


def test_the_interval_is_that_of_bonett_and_wright():
    x, y = np.random.default_rng(6).normal(size=(2, 12))
    found = spearman(x, y)
    half = 1.959964 * math.sqrt((1 + found.effect**2 / 2) / 9)
    assert math.atanh(found.high) - math.atanh(found.effect) == pytest.approx(half)
    assert math.atanh(found.effect) - math.atanh(found.low) == pytest.approx(half)


def test_spearmans_interval_covers_the_true_correlation():
    rng, truth = np.random.default_rng(1), 6 / math.pi * math.asin(0.6 / 2)
    covered = []
    for _ in range(400):
        x = rng.normal(size=40)
        found = spearman(x, 0.6 * x + 0.8 * rng.normal(size=40))
        covered.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_one_variable_held_fixed_is_the_closed_form():
    rng = np.random.default_rng(2)
    z = rng.normal(size=50)
    x, y = z + rng.normal(size=50), z - rng.normal(size=50)
    xy, xz, yz = (stats.spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    found = partial_spearman(x, y, {"headroom": z})
    assert found.effect == pytest.approx((xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2)))
    t = found.effect * math.sqrt(47 / (1 - found.effect**2))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 47))
    assert found.df == "47" and found.test == "partial Spearman given headroom"


def test_two_variables_held_fixed_are_the_inverse_correlation_matrix():
    rng = np.random.default_rng(3)
    data = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    inverse = np.linalg.inv(stats.spearmanr(data).statistic)
    found = partial_spearman(data[:, 0], data[:, 1], {"b": data[:, 2], "c": data[:, 3]})
    assert found.effect == pytest.approx(-inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1]))


def test_what_a_third_number_explains_is_taken_out():
    """Students with room to grow improve more, whatever they are taught: that is no fidelity."""
    rng = np.random.default_rng(4)
    headroom = rng.normal(size=300)
    improvement = headroom + 0.5 * rng.normal(size=300)
    disagreement = headroom + 0.5 * rng.normal(size=300)
    assert spearman(improvement, disagreement).low > 0.5
    rest = partial_spearman(improvement, disagreement, {"headroom": headroom})
    assert rest.low < 0.1 and rest.effect < 0.25


def test_nothing_held_fixed_is_spearman():
    x, y = np.random.default_rng(5).normal(size=(2, 20))
    assert partial_spearman(x, y, {}) == spearman(x, y)


@pytest.mark.parametrize("sign", [1, -1])
def test_four_that_agree_perfectly_are_not_certainty(sign: int):
    found = spearman([1, 2, 3, 4], [sign * v for v in (1, 4, 9, 16)])
    assert found.effect == found.low == found.high == sign
    assert found.p == pytest.approx(2 / 24) and found.note


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: spearman([1.0], [1.0]), "x does not vary over its 1 values"),
        (lambda: spearman([1, 2, 3], [1, 3, 2]), "needs n >= 4"),
        (lambda: spearman([1, 2, 3, 4], [5, 5, 5, 5]), "y does not vary"),
        (lambda: spearman([1, 2, 3, np.nan], [1, 2, 3, 4]), "x holds nan at item 3"),
        (lambda: spearman([1, 2, 3], [1, 2, 3, 4]), "x has 3, y has 4"),
        (lambda: partial_spearman([1, 2, 3, 4], [1, 3, 2, 4], {"z": [4, 2, 1, 3]}), "n >= 5"),
        (lambda: partial_spearman([1, 2, 3], [1, 3, 2], {"size": [1, 1, 1]}), "size does not vary"),
        (
            lambda: partial_spearman([1, 2, 3, 4, 5], [1, 3, 2, 5, 4], {"size": [2, 4, 6, 8, 9]}),
            "size leave nothing of x",
        ),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
