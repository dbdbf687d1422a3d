import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.analysis import clustered, reliability


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 12)
)
def test_ece_is_its_definition(predictions, bins: int):
    sure, right = (np.array([one[i] for one in predictions]) for i in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustered, "RESAMPLES", 50)
        found = reliability(sure, right, bins)
    edges = np.linspace(0, 1, bins + 1)
    expected = 0.0
    for i in range(bins):
        inside = (sure > edges[i]) & (sure <= edges[i + 1]) | (i == 0) & (sure == 0)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found.ece == pytest.approx(expected, abs=1e-12)
    assert sum(bar.accuracy.n for bar in found.bins) == found.n == len(predictions)
    assert found.brier.value == pytest.approx(np.mean((sure - right) ** 2), abs=1e-12)
    assert found.ece >= abs(found.overconfidence.value) - 1e-12
    json.dumps(found.as_dict(), allow_nan=False)


def test_an_honest_model_is_calibrated_and_a_boaster_is_not():
    rng = np.random.default_rng(2)
    chance = rng.uniform(0.3, 1.0, size=2000)
    right = rng.random(2000) < chance
    honest = reliability(chance, right)
    assert honest.ece < 0.05 and honest.overconfidence.low < 0 < honest.overconfidence.high
    assert sum(bar.accuracy.low <= bar.confidence <= bar.accuracy.high for bar in honest.bins) >= 8
    boaster = reliability(np.sqrt(chance), right)
    assert boaster.ece > 0.1 and boaster.overconfidence.low > 0.1
    assert boaster.brier.value > honest.brier.value


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    found = reliability([0.0, 0.5, 0.50001, 1.0], [0, 1, 0, 1], bins=2)
    assert [bar.accuracy.n for bar in found.bins] == [2, 2]
    assert [(bar.low, bar.high) for bar in found.bins] == [(0, 0.5), (0.5, 1)]


def test_tokens_of_one_text_are_not_independent():
    rng = np.random.default_rng(3)
    texts = np.repeat(np.arange(40), 50)
    right = rng.random(2000) < rng.random(40)[texts]
    single = reliability(np.full(2000, 0.5), right).overconfidence
    whole = reliability(np.full(2000, 0.5), right, clusters=texts.tolist()).overconfidence
    assert whole.clusters == 40 and whole.high - whole.low > 2 * (single.high - single.low)


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("right", [0, 1])
def test_all_right_and_all_wrong(n: int, right: int):
    found = reliability(np.full(n, 0.75), np.full(n, right))
    assert found.ece == pytest.approx(abs(right - 0.75)) and len(found.bins) == 1
    assert found.overconfidence.value == pytest.approx(0.75 - right)
    assert reliability(np.ones(n), np.ones(n)).ece == 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: reliability([0.5, np.nan], [1, 0]), "confidence holds nan at item 1"),
        (lambda: reliability([1.5], [1]), "confidence holds 1.5 at item 0"),
        (lambda: reliability([0.5], [0.5]), "correct holds 0.5"),
        (lambda: reliability([0.5], [1, 0]), "confidence has 1, correct has 2"),
        (lambda: reliability([], []), "confidence must be a non-empty vector"),
        (lambda: reliability([0.5], [1], bins=0), "bins must be at least 1"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
