"""Means over tokens whose texts are resampled, and by kind of token."""

import numpy as np
import pytest

from limbeck.analysis import by_position, by_rarity, clustered_mean, token_means


def test_all_numbers_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    text = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    values = {name: rng.normal(size=len(text)) for name in "ab"}
    found = token_means(values, text)
    for name, column in values.items():
        alone = clustered_mean(column, text.tolist())
        assert found[name].value == pytest.approx(column.mean(), abs=1e-12)
        assert (found[name].low, found[name].high) == pytest.approx((alone.low, alone.high))
        assert found[name].clusters == 30 and found[name].n == len(text)


def test_one_text_has_no_interval():
    (found,) = token_means({"a": [1.0, 2.0]}, [0, 0]).values()
    assert (found.low, found.value, found.high) == (1.5, 1.5, 1.5) and "one text" in found.note


@pytest.mark.parametrize("bad", [[np.nan, 1.0], [1.0], []])
def test_what_cannot_be_averaged(bad):
    with pytest.raises(ValueError, match=r"a |lengths|same items|empty"):
        token_means({"a": bad}, [0, 1])


def test_groups_of_positions_double():
    found = by_position({"a": np.arange(1.0, 21.0)}, np.arange(1, 21))
    assert [g["name"] for g in found] == ["1", "2-3", "4-7", "8-15", "16-31"]
    assert [g["tokens"] for g in found] == [1, 2, 4, 8, 5]
    assert found[2]["a"] == np.mean([4, 5, 6, 7])


def test_groups_of_rarity_are_of_the_tokens_own_share():
    tokens = np.array([7] * 899 + [8] * 100 + [9])  # 89.9 %, 10 %, 0.1 %
    found = by_rarity({"a": tokens.astype(float)}, tokens)
    assert [(g["name"], g["tokens"], g["a"]) for g in found] == [
        ("0.1-1%", 1, 9.0),
        ("10% and more", 999, pytest.approx((7 * 899 + 800) / 999)),
    ]
