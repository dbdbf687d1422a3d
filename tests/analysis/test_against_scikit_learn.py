"""Kappa, macro-F1 and Brier score are those of scikit-learn."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, cohen_kappa_score, f1_score

from limbeck.analysis import kappa, macro_f1, reliability

GRADES = list("ABCD")
PAIRS = st.lists(
    st.tuples(st.sampled_from(GRADES), st.sampled_from(GRADES)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(PAIRS, st.sampled_from([None, "linear"]), st.booleans())
def test_kappa_is_scikit_learns(pairs, weights, named: bool):
    a, b = ([pair[i] for pair in pairs] for i in (0, 1))
    labels = GRADES if named else None
    found = kappa(a, b, weights, labels)
    if len({*a, *b}) == 1:
        assert found is None
        return
    assert abs(found.value - cohen_kappa_score(a, b, weights=weights, labels=labels)) < 1e-12
    assert -1 <= found.low <= found.value <= found.high <= 1
    json.dumps(found.as_dict(), allow_nan=False)


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_macro_f1_is_scikit_learns(pairs):
    gold, predicted = ([pair[i] for pair in pairs] for i in (0, 1))
    found = macro_f1(predicted, gold, GRADES)
    expected = f1_score(gold, predicted, labels=GRADES, average="macro", zero_division=0)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low <= found.value <= found.high
    present = f1_score(gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0)
    assert macro_f1(predicted, gold).value == pytest.approx(present, abs=1e-12)


def test_brier_is_scikit_learns():
    rng = np.random.default_rng(1)
    sure, right = rng.random(200), rng.random(200) < 0.5
    assert reliability(sure, right).brier.value == pytest.approx(brier_score_loss(right, sure))
