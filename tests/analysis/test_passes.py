import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.analysis import mean_pass_at_k, pass_at_k


@given(
    st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
)
def test_pass_at_k_is_brute_force_over_all_choices_of_k_samples(counts: tuple[int, int, int]):
    n, c, k = counts
    samples = [True] * c + [False] * (n - c)
    choices = [any(choice) for choice in itertools.combinations(samples, k)]
    assert pass_at_k(n, c, k) == pytest.approx(np.mean(choices), abs=1e-12)


def test_many_samples_do_not_overflow():
    expected = 1 - math.comb(4900, 100) / math.comb(5000, 100)
    assert pass_at_k(5000, 100, 100) == pytest.approx(expected, abs=1e-12)


def test_it_is_unbiased_where_the_plain_formula_is_not():
    rng = np.random.default_rng(1)
    right = rng.binomial(10, 0.2, size=20_000)
    truth = 1 - 0.8**5
    chances = {c: pass_at_k(10, c, 5) for c in range(11)}
    assert np.mean([chances[c] for c in right]) == pytest.approx(truth, abs=0.005)
    assert np.mean(1 - (1 - right / 10) ** 5) < truth - 0.02


def test_the_mean_is_over_problems():
    found = mean_pass_at_k([10, 10, 4], [0, 10, 1], 2)
    assert found.value == pytest.approx((0 + 1 + 0.5) / 3)
    assert found.n == 3 and found.low <= found.value <= found.high
    assert mean_pass_at_k([1], [1], 1).note


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: pass_at_k(5, 6, 1), "c must be from 0 to n = 5, got 6"),
        (lambda: pass_at_k(5, -1, 1), "got -1"),
        (lambda: pass_at_k(5, 1, 6), "k must be from 1 to n = 5, got 6"),
        (lambda: pass_at_k(0, 0, 1), "k must be from 1 to n = 0"),
        (lambda: mean_pass_at_k([10, 1], [1, 1], 2), "problem 1: k must be"),
        (lambda: mean_pass_at_k([10], [np.nan], 2), "correct holds nan at item 0"),
        (lambda: mean_pass_at_k([10], [1, 2], 2), "samples has 1, correct has 2"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize(("samples", "correct"), [([2.5], [1]), ([2], [0.5])])
def test_shares_are_no_counts(samples, correct):
    with pytest.raises(ValueError, match=r"problem 0: .* are no counts"):
        mean_pass_at_k(samples, correct, 1)
