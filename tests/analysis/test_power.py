import itertools
import math

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis import mcnemar, mcnemar_power, minimum_detectable


@pytest.mark.parametrize(("discordance", "difference"), [(0.5, 0.3), (1.0, -0.6), (0.7, 0.7)])
def test_power_is_the_chance_of_all_tables_that_the_test_rejects(discordance, difference):
    """Every table of 12 items, each with its chance and the test's own verdict."""
    n, chance = 12, 0.0
    for only_a, only_b in itertools.product(range(n + 1), repeat=2):
        if only_a + only_b > n:
            continue
        a, b = np.zeros(n), np.zeros(n)
        a[:only_a] = b[only_a : only_a + only_b] = 1
        if mcnemar(a, b).p <= 0.05:
            cells = [
                (discordance + difference) / 2,
                (discordance - difference) / 2,
                1 - discordance,
            ]
            counts = [only_a, only_b, n - only_a - only_b]
            chance += stats.multinomial.pmf(counts, n, np.clip(cells, 0, 1))
    assert mcnemar_power(n, discordance, difference) == pytest.approx(chance)


@pytest.mark.parametrize("n", [1000, 1319, 10_042])
def test_many_items_have_the_normal_approximation(n: int):
    found = minimum_detectable(n, 0.3)
    assert mcnemar_power(n, 0.3, found.difference) == pytest.approx(0.8, abs=1e-6)
    d = found.difference  # Connor 1987
    needed = (1.96 * math.sqrt(0.3) + 0.8416 * math.sqrt(0.3 - d * d)) ** 2 / d**2
    assert needed == pytest.approx(n, rel=0.05)


def test_more_items_show_less():
    found = [minimum_detectable(n, 0.25).difference for n in (50, 100, 500, 2000)]
    assert found == sorted(found, reverse=True)


def test_a_handful_of_items_shows_nothing():
    """Five items cannot be significant at 5 %, whatever happens."""
    assert minimum_detectable(5, 1.0).difference is None
    assert mcnemar_power(5, 1.0, 1.0) == 0
    assert mcnemar_power(6, 1.0, 1.0) == 1
    assert mcnemar_power(6, 1.0, 1.0, alpha=2 / 64) == 1  # p is 2/64, no more than alpha
    assert minimum_detectable(6, 1.0).difference == pytest.approx(2 * 0.8 ** (1 / 6) - 1, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: minimum_detectable(0, 0.3), "n must be at least 1"),
        (lambda: minimum_detectable(10, 0.0), "discordance must be above 0"),
        (lambda: minimum_detectable(10, math.nan), "discordance must be above 0"),
        (lambda: minimum_detectable(10, 0.3, power=1.0), "power must be between"),
        (lambda: minimum_detectable(10, 0.3, alpha=0.0), "alpha must be between"),
        (lambda: mcnemar_power(10, 0.3, 0.4), "at most the discordance 0.3"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
