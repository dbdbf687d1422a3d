import json
import re

import numpy as np
import pytest

from limbeck.analysis import answer_agreement, kappa, mcnemar, noise_ceiling

from .data import rows_of


def test_the_split_counts_every_item_once():
    found = answer_agreement(
        ["4", "4", "5", "6", "7", None, None],
        ["4", "5", "4", "6", "8", None, "9"],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0, 0],
    )
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (1, 1, 1, 4)
    assert found.same.value == pytest.approx(2 / 7)
    assert found.same_wrong == 1 and found.error_agreement.value == 1 / 4
    assert (found.unanswered_a, found.unanswered_b) == (2, 1)
    json.dumps(found.as_dict(), allow_nan=False)


def test_no_answer_is_never_the_same_answer():
    """Two models that say nothing would otherwise agree best of all."""
    found = answer_agreement([None] * 9 + ["1"], [None] * 9 + ["1"], [0] * 9 + [1], [0] * 9 + [1])
    assert found.same.value == 0.1 and found.same_wrong == 0
    assert found.kappa.value < 0.2


def test_answers_that_are_all_there_have_cohens_kappa():
    rng = np.random.default_rng(1)
    a, b = (rng.choice(list("ABCD"), size=200).tolist() for _ in range(2))
    gold = rng.choice(list("ABCD"), size=200)
    found = answer_agreement(a, b, np.equal(a, gold), np.equal(b, gold))
    assert found.kappa == kappa(a, b)


def test_good_models_agree_without_having_learnt_from_one_another():
    rng = np.random.default_rng(2)
    gold = rng.integers(2, size=3000)
    a, b = (np.where(rng.random(3000) < 0.9, gold, 1 - gold) for _ in range(2))
    found = answer_agreement(a.tolist(), b.tolist(), a == gold, b == gold)
    assert found.same.value > 0.8
    assert found.kappa.value == pytest.approx(0.64, abs=0.05)  # 2 * 0.82 - 1
    assert found.error_agreement.value == 1  # of two answers, both wrong is the same wrong


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("n", [1, 6])
def test_degenerate_models(n: int, right: int):
    found = answer_agreement(["x"] * n, ["x"] * n, [right] * n, [right] * n)
    assert found.same.value == 1 and found.kappa is None
    assert (found.both_right, found.same_wrong) == ((n, 0) if right else (0, n))
    assert (found.error_agreement is None) == bool(right)
    json.dumps(found.as_dict(), allow_nan=False)


def test_identical_models_have_a_kappa_of_one():
    answers = ["1", "2", "3"]
    found = answer_agreement(answers, answers, [1, 0, 1], [1, 0, 1])
    assert found.kappa.value == found.kappa.low == found.kappa.high == 1 and found.kappa.note


def test_a_student_cannot_agree_better_than_its_teacher_with_itself():
    rng = np.random.default_rng(3)
    gold = rng.integers(10, size=1500)

    def noisy(values: np.ndarray, keep: float) -> np.ndarray:
        return np.where(rng.random(values.size) < keep, values, rng.integers(10, size=values.size))

    runs = noisy(gold, 0.8), noisy(gold, 0.8)
    twin = noise_ceiling(*(run.tolist() for run in runs), noisy(gold, 0.8).tolist())
    assert twin.shortfall.low < 0 < twin.shortfall.high
    poor = noise_ceiling(*(run.tolist() for run in runs), noisy(gold, 0.5).tolist())
    assert poor.shortfall.high < -0.1 and poor.shortfall.p < 0.001
    assert poor.agreement.value - poor.ceiling.value == pytest.approx(poor.shortfall.difference)
    grouped = noise_ceiling("ab" * 4, "ab" * 4, "aa" * 4, clusters=[1, 2] * 4)
    assert (grouped.ceiling.value, grouped.agreement.value, grouped.shortfall.clusters) == (
        1,
        0.5,
        2,
    )


def test_the_answers_of_two_published_models():
    """6B fine-tuned as the student, 175B with a verifier as the teacher, on all 1,319 questions."""
    rows = rows_of("gsm8k/model_solutions.jsonl")

    def side(name: str) -> tuple[list[str], list[bool]]:
        numbers = [re.findall(r"-?\d[\d,]*(?:\.\d+)?", row[name]["solution"])[-1] for row in rows]
        answers = [f"{float(number.replace(',', '')):g}" for number in numbers]
        return answers, [row[name]["is_correct"] for row in rows]

    (a, right_a), (b, right_b) = side("6b_finetuning"), side("175b_verification")
    table = mcnemar(right_a, right_b)
    assert (table.n, table.n10, table.n01) == (1319, 43, 499)
    assert table.difference == pytest.approx((286 - 742) / 1319)
    assert (table.low, table.high) == pytest.approx((-0.3745, -0.3169), abs=0.002)
    assert table.p == pytest.approx(1.657e-99, rel=1e-3)
    found = answer_agreement(a, b, right_a, right_b)
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (243, 43, 499, 534)
    assert found.same_wrong == 43
    assert found.same.value == pytest.approx((243 + 43) / 1319)
    assert (found.same.low, found.same.high) == pytest.approx((0.1954, 0.2399), abs=1e-4)
    assert found.kappa.value == pytest.approx(0.2106, abs=1e-4)
    assert (found.kappa.low, found.kappa.high) == pytest.approx((0.1883, 0.2330), abs=1e-4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: answer_agreement(["1"], ["1", "2"], [1], [1]), "a has 1, b has 2"),
        (lambda: answer_agreement([], [], [], []), "right_a must be a non-empty vector"),
        (lambda: answer_agreement(["1"], ["1"], [1], [1, 0]), "right_b has 2"),
        (lambda: answer_agreement(["1"], ["1"], [np.nan], [1]), "right_a holds nan at item 0"),
        (lambda: answer_agreement(["1"], ["1"], [0.5], [1]), "only right"),
        (lambda: noise_ceiling(["1"], ["1", "2"], ["1"]), "teacher has 1, again has 2"),
        (lambda: noise_ceiling(["1"], ["1"], []), "teacher has 1, student has 0"),
        (lambda: noise_ceiling([], [], []), "are empty"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
