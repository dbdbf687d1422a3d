import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from limbeck.analysis import Comparison, Effect, benjamini_hochberg, corrected, holm

FAMILIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(deadline=None)
@given(FAMILIES)
def test_holm_is_its_definition(p: list[float]):
    order, m, worst = np.argsort(p, kind="stable"), len(p), 0.0
    expected = np.empty(m)
    for i, place in enumerate(order):
        worst = max(worst, min(1.0, (m - i) * p[place]))
        expected[place] = worst
    assert holm(p) == pytest.approx(expected)


@settings(deadline=None)
@given(FAMILIES)
def test_benjamini_hochberg_is_its_definition(p: list[float]):
    order, m, best = np.argsort(p, kind="stable"), len(p), 1.0
    expected = np.empty(m)
    for i in reversed(range(m)):
        best = min(best, m / (i + 1) * p[order[i]])
        expected[order[i]] = best
    assert benjamini_hochberg(p) == pytest.approx(expected)


def test_both_are_those_of_statsmodels():
    p = np.random.default_rng(1).random(9) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_every_result_of_a_family_carries_its_correction():
    family = {
        "gsm8k": Comparison(0.1, 0.0, 0.2, 0.01, 100, "exact McNemar"),
        "boolq": Comparison(0.0, -0.1, 0.1, 0.9, 100, "exact McNemar"),
        "svamp": Comparison(0.1, 0.0, 0.2, 0.03, 100, "exact McNemar"),
    }
    found = corrected(family)
    assert list(found) == list(family)
    assert [one.p_corrected for one in found.values()] == pytest.approx([0.03, 0.9, 0.06])
    assert found["gsm8k"].as_dict()["correction"] == "Holm over 3"
    assert family["gsm8k"].correction is None
    rate = corrected({"size": Effect(0.5, 0.1, 0.8, 0.02, 33, "Spearman")}, "bh")
    assert (rate["size"].p_corrected, rate["size"].correction) == (
        0.02,
        "Benjamini-Hochberg over 1",
    )
    assert corrected({}) == {}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: holm([0.1, 1.2]), "p holds 1.2 at test 1"),
        (lambda: benjamini_hochberg([np.nan]), "p holds nan at item 0"),
        (lambda: holm([]), "p must be a non-empty vector"),
        (lambda: corrected({}, "sidak"), "one of holm, bh, got 'sidak'"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
