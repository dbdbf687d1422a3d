"""Win rates of judges whose faults are known."""

import json

import numpy as np
import pytest

from limbeck.analysis import judge_agreement, judged, preferences

N = 200
RNG = np.random.default_rng(7)
LONG_A, LONG_B = RNG.integers(50, 2000, (2, N))


def shown_in_both_orders(judge, a=LONG_A, b=LONG_B):
    """Scores of a, from a judge that takes the lengths of the first and second and scores the first."""
    first = np.array([judge(x, y) for x, y in zip(a, b, strict=True)])
    second = 1 - np.array([judge(y, x) for x, y in zip(a, b, strict=True)])
    return first, second


def test_by_hand():
    first, second = [1, 1, 0.5, 0.5, 0, 0], [1, 0, 0.5, 1, 0, 0.5]
    found = judged(first, second, [100, 100, 95, 0, 10, 30], [100, 90, 100, 0, 12, 20])
    assert preferences(first, second).tolist() == [1, 0.5, 0.5, 0.75, 0, 0.25]
    assert (found.wins, found.losses, found.ties, found.contradictions) == (2, 2, 1, 1)
    assert found.win_rate.value == pytest.approx(0.5) and found.n == 6
    assert found.tie_rate.value == found.inconsistency_rate.value == pytest.approx(1 / 6)
    # In the twelve showings the first one wins: 1+0, 1+1, .5+.5, .5+0, 0+1, 0+.5.
    assert found.position_bias.value == pytest.approx(6 / 12 - 0.5)
    assert found.length_difference.value == pytest.approx((10 - 5 - 2 + 10) / 6)
    assert found.length_matched.n == 4  # 100/100, 100/90, 95/100, 0/0
    assert found.length_matched.value == pytest.approx((1 + 0.5 + 0.5 + 0.75) / 4)
    assert found.longer_preferred.n == 4
    assert found.longer_preferred.value == pytest.approx((0.5 + (1 - 0.5) + (1 - 0) + 0.25) / 4)
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_judge_of_places_prefers_nobody():
    """A judge that always takes the first must not make a winner, whatever it is shown."""
    for score, bias in ((1.0, 0.5), (0.0, -0.5)):
        found = judged(*shown_in_both_orders(lambda x, y, s=score: s), LONG_A, LONG_B)
        assert found.win_rate.value == found.win_rate.low == found.win_rate.high == 0.5
        assert found.position_bias.value == bias and found.contradictions == N
        assert found.inconsistency_rate.value == 1 and found.wins == found.losses == found.ties == 0


def test_a_fair_judge_has_no_bias():
    found = judged(
        *shown_in_both_orders(lambda x, y: 1.0 if x % 10 > y % 10 else 0.5 * (x % 10 == y % 10)),
        LONG_A,
        LONG_B,
    )
    assert found.position_bias.value == 0 and found.contradictions == 0
    assert found.wins + found.losses + found.ties == N


def test_a_judge_of_lengths_is_exposed():
    """Its win rate says who writes more; the figures beside it say so."""
    a, b = LONG_A + 400, LONG_B
    found = judged(*shown_in_both_orders(lambda x, y: float(x > y), a, b), a, b)
    assert found.win_rate.low > 0.5 and found.position_bias.value == 0
    assert found.longer_preferred.value == 1 and found.length_difference.low > 0
    again = judged(
        *shown_in_both_orders(
            lambda x, y: 0.5 if abs(x - y) < 0.1 * max(x, y) else float(x > y), a, b
        ),
        a,
        b,
    )
    assert again.length_matched.value == 0.5 < again.win_rate.low
    assert again.length_matched.n == sum(abs(a - b) <= 0.1 * np.maximum(a, b))


def test_a_judge_that_draws_lots_covers_one_half():
    """Intervals that are too narrow make winners of equals."""
    rng, missed, sets = np.random.default_rng(3), 0, 200
    for _ in range(sets):
        first, second = rng.choice([0, 0.5, 1], (2, 40), p=[0.4, 0.2, 0.4])
        rate = judged(first, second, np.ones(40), np.ones(40)).win_rate
        missed += not rate.low <= 0.5 <= rate.high
    assert 1 <= missed <= 19  # 10 expected, and three standard deviations of 3.1 around it


def test_the_same_text_is_no_news_of_the_judge():
    first, second, shown = [1, 0.5, 0.5], [0, 0.5, 0.5], [True, False, False]
    found = judged(first, second, [5, 5, 5], [6, 5, 5], shown=shown)
    assert found.n == 3 and found.ties == 2 and found.win_rate.value == 0.5
    assert found.position_bias.n == found.inconsistency_rate.n == 1
    assert found.position_bias.value == 0.5 and found.inconsistency_rate.value == 1


def test_what_is_not_defined_is_absent():
    found = judged([0.5], [0.5], [3], [3], shown=[False])
    assert found.position_bias is found.inconsistency_rate is found.longer_preferred is None
    assert found.token_difference is None and "position_bias" not in found.as_dict()
    assert judged([1], [1], [100], [10]).length_matched is None


def test_tokens():
    found = judged([1, 0], [1, 0], [9, 9], [9, 9], tokens_a=[4, 8], tokens_b=[1, 1])
    assert found.token_difference.value == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first": [0.7, 1]}, "only 1, 0.5 or 0"),
        ({"second": [1]}, "same items"),
        ({"second": [np.nan, 1]}, "second holds nan"),
        ({"first": [], "second": []}, "non-empty"),
        ({"lengths_a": [1, 2, 3]}, "same items"),
        ({"lengths_b": [1, -2]}, "no length is negative"),
        ({"shown": [1]}, "same items"),
        ({"tokens_a": [1, 2]}, "belong together"),
        ({"tokens_a": [1, 2], "tokens_b": [1]}, "same items"),
    ],
)
def test_what_is_no_comparison_is_refused(change, words):
    given = {"first": [1, 0], "second": [1, 0], "lengths_a": [1, 2], "lengths_b": [2, 1]} | change
    with pytest.raises(ValueError, match=words):
        judged(**given)


def test_two_judges():
    found = judge_agreement([1, 0.75, 0.5, 0, 0.25], [0.75, 1, 0.5, 0, 1])
    assert found.n == 5 and found.same.value == 0.8
    # Observed 4/5; by chance (2*3 + 1*1 + 2*1) / 25.
    assert found.kappa.value == pytest.approx((0.8 - 9 / 25) / (1 - 9 / 25))
    assert judge_agreement([1, 1], [1, 0.75]).kappa is None
    with pytest.raises(ValueError, match="same items"):
        judge_agreement([1], [1, 0])
