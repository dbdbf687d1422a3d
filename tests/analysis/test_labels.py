"""Kappa and macro-F1: what they mean, and what is published; scikit-learn has its own file."""

from collections import Counter

import numpy as np
import pytest

from limbeck.analysis import kappa, labels, macro_f1

from .data import rows_of

GRADES = list("ABCD")


def test_kappas_interval_covers():
    rng, covered = np.random.default_rng(1), []
    for _ in range(200):
        a = rng.integers(3, size=150)
        b = np.where(rng.random(150) < 0.5, a, rng.integers(3, size=150))
        found = kappa(a.tolist(), b.tolist())
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_near_miss_weighs_less_than_a_far_one():
    gold = list("ABCD" * 5)
    near, far = (["B", "A", "D", "C"] * 5), (["D", "C", "B", "A"] * 5)
    assert kappa(near, gold).value == kappa(far, gold).value
    assert kappa(near, gold, "linear").value > kappa(far, gold, "linear").value


def test_a_grade_that_nobody_chose_still_lies_between():
    """Without its labels A, B, D would be evenly spaced."""
    a, b = ["A", "B", "D", "D"], ["A", "D", "D", "B"]
    assert kappa(a, b, "linear", GRADES).value != kappa(a, b, "linear").value


def test_an_unanswered_question_is_wrong_and_no_class_of_its_own():
    gold, predicted = ["yes", "no", "maybe"] * 2, ["yes", "no", "maybe", "yes", None, "perhaps"]
    found = macro_f1(predicted, gold)
    assert found.value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_always_the_commonest_answer_scores_a_third_of_its_f1():
    gold = ["yes"] * 6 + ["no"] * 3 + ["maybe"]
    assert macro_f1(["yes"] * 10, gold).value == pytest.approx((2 * 6 / 16) / 3)


def test_macro_f1_covers(monkeypatch):
    monkeypatch.setattr(labels, "RESAMPLES", 500)
    rng = np.random.default_rng(2)
    share, hit = np.array([0.5, 0.3, 0.2]), 0.7
    expected = share * hit + (1 - hit) / 3 * share  # hits: kept, or guessed
    truth = np.mean(2 * expected / (share + hit * share + (1 - hit) / 3))
    covered = []
    for _ in range(200):
        gold = rng.choice(3, size=300, p=share)
        predicted = np.where(rng.random(300) < hit, gold, rng.integers(3, size=300))
        found = macro_f1(predicted.tolist(), gold.tolist())
        covered.append(found.low <= truth <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_one_human_on_pubmedqa_scores_what_its_authors_print():
    rows = rows_of("pubmedqa/test.jsonl")
    gold = [row["final_decision"] for row in rows]
    assert Counter(gold) == {"yes": 276, "no": 169, "maybe": 55}
    for field, accuracy, score in (
        ("reasoning_required_pred", 0.780, 0.722),
        ("reasoning_free_pred", 0.904, 0.842),
    ):
        answers = [row[field] for row in rows]
        assert round(np.mean(np.equal(answers, gold)), 3) == accuracy
        found = macro_f1(answers, gold)
        assert round(found.value, 3) == score and found.low < score < found.high


def test_one_item_and_one_class():
    assert kappa(["A"], ["A"]) is None
    assert kappa(["A"], ["B"]).value == 0
    assert macro_f1(["A"], ["A"]).value == 1 and macro_f1(["A"], ["A"]).note
    assert macro_f1([None], ["A"]).value == 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: kappa(["A"], ["A", "B"]), "a has 1, b has 2"),
        (lambda: kappa([], []), "a and b are empty"),
        (lambda: kappa(["A"], ["E"], labels=GRADES), "item 0 is labelled 'E'"),
        (lambda: kappa(["A"], ["B"], weights="cubic"), "got 'cubic'"),
        (lambda: macro_f1(["A"], ["A", "B"]), "predicted has 1, gold has 2"),
        (lambda: macro_f1([], []), "predicted and gold are empty"),
        (lambda: macro_f1(["A"], ["E"], GRADES), "item 0 is labelled 'E'"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("metric", [kappa, macro_f1])
def test_a_label_that_stands_twice_is_refused(metric):
    """Everything right scored a macro-F1 of 0.67."""
    with pytest.raises(ValueError, match="stands twice"):
        metric(list("ab"), list("ab"), labels=["a", "b", "a"])
