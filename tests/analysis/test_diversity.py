import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.analysis import distinct_n, self_bleu

TEXTS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), min_size=2, max_size=6)


def _grams(tokens, n):
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _bleu(text, references, n):
    """BLEU with every reference counted out, the slow way."""
    logs = []
    for order in range(1, n + 1):
        own = Counter(_grams(text, order))
        if own:
            matches = sum(
                min(count, max(Counter(_grams(other, order))[gram] for other in references))
                for gram, count in own.items()
            )
            logs.append(math.log((matches or 0.1) / sum(own.values())))
    nearest = min((abs(len(other) - len(text)), len(other)) for other in references)[1]
    brevity = min(0.0, 1 - nearest / len(text))
    return math.exp(brevity + sum(logs) / len(logs))


@given(TEXTS, st.integers(1, 5))
def test_self_bleu_is_brute_force(texts, n: int):
    expected = sum(
        _bleu(text, texts[:i] + texts[i + 1 :], n) for i, text in enumerate(texts)
    ) / len(texts)
    assert self_bleu(texts, n) == pytest.approx(expected, abs=1e-12)


@given(TEXTS, st.integers(1, 3))
def test_distinct_n_is_its_definition(texts, n: int):
    grams = [gram for text in texts for gram in _grams(text, n)]
    if grams:
        assert distinct_n(texts, n) == len(set(grams)) / len(grams)
    else:
        with pytest.raises(ValueError, match="none of"):
            distinct_n(texts, n)


def test_a_collapsed_student_rings_the_alarm():
    rich = ["the cat sat on the mat", "a dog ran over green hills", "seven birds flew far away now"]
    poor = ["the cat sat on the mat"] * 3
    assert self_bleu(poor) == 1 and self_bleu(rich) < 0.1
    assert distinct_n(poor) == pytest.approx(5 / 15) and distinct_n(rich) == 1


def test_words_or_token_ids():
    assert distinct_n(["a b a b"], 2) == distinct_n([[1, 2, 1, 2]], 2) == pytest.approx(2 / 3)
    assert self_bleu(["a b", "a b c"]) == self_bleu([[1, 2], [1, 2, 3]])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: self_bleu(["a"]), "with one another: got 1"),
        (lambda: self_bleu(["a", " "]), "text 1 is empty"),
        (lambda: self_bleu(["a", "b"], 0), "n must be at least 1"),
        (lambda: distinct_n([], 2), "none of the 0 texts has 2 tokens"),
        (lambda: distinct_n(["", "a"], 2), "none of the 2 texts"),
        (lambda: distinct_n(["a"], 0), "n must be at least 1"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
