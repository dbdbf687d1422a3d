"""An audit of answers that are made up: figures by hand, identities, degenerate inputs."""

import json

import numpy as np
import pytest

from limbeck.evaluation.audit import Answers, Sample, audit, overlaps, prospect
from limbeck.evaluation.audit.answers import excess_agreement
from limbeck.evaluation.audit.samples import words_of
from limbeck.evaluation.positions import Positions

N = 200


def answers(correct, said=None, texts=None, samples=None, documents=None, losses=None):
    correct = np.asarray(correct, bool)
    said = said or [f"gold {i}" if c else f"wrong {i}" for i, c in enumerate(correct)]
    return Answers(
        tuple(texts or [f"1 + {i} = {i + 1}" for i in range(len(correct))]),
        tuple(said),
        correct,
        documents,
        losses,
        samples,
    )


def drawn(rng, share, n=N, **more):
    return answers(rng.random(n) < share, **more)


def table(n=40, texts=8, seed=0, nan=False):
    rng = np.random.default_rng(seed)
    shares = {name: rng.random(n).astype(np.float32) for name in (
        "kl_teacher_student", "kl_student_teacher", "jsd", "top5", "entropy", "entropy_teacher",
        "confidence", "confidence_teacher",
    )}  # fmt: skip
    marks = {
        name: rng.integers(0, 2, n).astype(np.float32)
        for name in ("top1", "right", "right_teacher")
    }
    text = np.sort(rng.integers(0, texts, n)).astype(np.int32)
    if nan:
        shares["jsd"][3] = shares["kl_teacher_student"][3] = np.nan
    return Positions(text, np.arange(1, n + 1, dtype=np.int32), text, shares | marks)


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(1)
    arms = {
        "teacher": drawn(rng, 0.8),
        "before": drawn(rng, 0.2),
        "sft": drawn(rng, 0.5),
        "student": drawn(rng, 0.7),
    }
    return arms, audit(arms, {"student": {"data": table(), "teacher": table(seed=1)}})


def test_it_is_json_and_says_what_is_missing(found):
    _, said = found
    json.dumps(said, allow_nan=False)
    assert said["not_measured"] == [
        "diversity and the noise ceiling: no further answers were drawn"
    ]
    assert set(said["agreement"]) == {"before", "sft", "student"}
    assert set(said["tokens"]["student"]) == {"data", "teacher"}
    assert set(said["calibration"]) == {"student", "teacher"}


def test_the_margin_is_the_difference_of_accuracies(found):
    arms, said = found
    for part in said["subdomains"].values():
        for arm, its in part["arms"].items():
            lead = arms[arm].correct.mean() - arms["teacher"].correct.mean()
            assert its["advantage"]["value"] - its["deficit"]["value"] == pytest.approx(
                lead, abs=1e-12
            )
            assert its["margin"]["difference"] == pytest.approx(lead, abs=1e-12)


def test_agreement_beyond_independence():
    """None between strangers, even where wrong answers fall together; all of it in a copy."""
    rng = np.random.default_rng(0)
    covered, inside = 0, []
    for _ in range(200):
        sides = []
        for share in (0.6, 0.5):
            right = rng.random(N) < share
            wrong = rng.choice(list("bcd"), N)
            sides.append(
                answers(right, ["gold" if r else w for r, w in zip(right, wrong, strict=True)])
            )
        estimate = excess_agreement(*sides)
        inside.append(estimate.value)
        covered += estimate.low <= 0 <= estimate.high
    assert abs(np.mean(inside)) < 0.01 and 180 <= covered <= 199
    copy = excess_agreement(sides[0], sides[0])
    right = sides[0].correct.mean()
    assert copy.value > 0.3 and copy.value < 1 - right**2


def test_right_by_another_way():
    teacher = answers([1, 1, 1, 1], texts=["2*3=6. 6+1=7", "5-1=4", "1+1=2", "so it is 9"])
    student = answers([1, 1, 0, 1], texts=["2*3=6. 6+1=7", "2+2=4", "1+1=2", "3*3=9"])
    steps = audit({"teacher": teacher, "student": student}, {})["steps"]["student"]
    assert steps["n"] == 3, "the last text of the teacher shows no equation"
    assert steps["equation_jaccard"]["value"] == pytest.approx(2 / 3)
    assert steps["unfaithful"]["value"] == 1 / 2 and steps["unfaithful"]["n"] == 2
    assert overlaps(teacher, student) == [1.0, 0.0, 1.0, None]


def draws(texts, right):
    return tuple(Sample(t, t, r) for t, r in zip(texts, right, strict=True))


def test_a_model_that_says_the_same_again_and_again():
    several = {0: draws(["a b c", "d e f", "g h i", "j k l"], [1, 0, 0, 0])}
    alike = {0: draws(["a b c"] * 4, [1, 1, 1, 1])}
    arms = {"teacher": answers([1], samples=several), "student": answers([1], samples=alike)}
    found = audit(arms, {})["diversity"]
    assert found["teacher"]["distinct_2"] == 1 and not found["teacher"]["collapse"]
    assert found["student"]["distinct_2"] == 0.25 and found["student"]["collapse"]
    assert found["student"]["self_bleu"] == pytest.approx(1)
    assert found["teacher"]["self_bleu"] < 0.5
    assert found["teacher"]["pass_at_k"] == {"1": 0.25, "2": 0.5, "4": 1.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3+14=17.", ["3", "+", "14", "=", "17", "."]),
        ("naïve, isn't", ["naïve", ",", "isn", "'", "t"]),
        ("気管支", ["気", "管", "支"]),
        (" \n", []),
    ],
)
def test_texts_without_spaces_have_words(text, words):
    assert list(words_of(text)) == words


def test_unequal_numbers_of_draws():
    """Of the smaller number is spoken, and of the items that both have."""
    its = {0: draws(["a", "b", "c"], [1, 0, 0]), 1: draws(["a", "a"], [1, 1])}
    own = {1: draws(["a"], [1]), 2: draws(["z"], [0])}
    arms = {"teacher": answers([1] * 3, samples=its), "student": answers([1] * 3, samples=own)}
    found = audit(arms, {})
    assert set(found["diversity"]["teacher"]["pass_at_k"]) == {"1", "2"}
    assert found["ceiling"]["student"]["ceiling"]["n"] == 1


def test_the_ceiling_is_the_teachers_agreement_with_itself():
    its = {i: draws([f"a{i}", f"a{i}" if i < 3 else "b"], [1, 1]) for i in range(4)}
    own = {i: draws([f"a{i}", "z"], [1, 0]) for i in range(4)}
    arms = {"teacher": answers([1] * 4, samples=its), "student": answers([1] * 4, samples=own)}
    found = audit(arms, {})["ceiling"]["student"]
    assert found["ceiling"]["value"] == 3 / 4
    assert found["agreement"]["value"] == (1 + 3 / 4) / 2


@pytest.mark.parametrize(
    ("teacher", "student", "words"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], "no lower than its teacher"),
        ([1, 1, 1, 0], [0, 0, 0, 1], "more than 66.7%"),
        ([1, 1, 1, 0], [1, 0, 0, 0], "at best draw level"),
        ([1, 0], [1, 0], "nothing to teach|anything to teach"),
    ],
)
def test_when_can_the_student_win(teacher, student, words):
    assert any(w in prospect(answers(teacher), answers(student)) for w in words.split("|"))


@pytest.mark.parametrize(
    ("teacher", "student"),
    [([1], [0]), ([1, 1, 1], [1, 1, 1]), ([0, 0, 0], [0, 0, 0]), ([1, 0, 1], [0, 1, 0])],
    ids=["one item", "all right", "all wrong", "opposite"],
)
def test_degenerate_outcomes(teacher, student):
    arms = {"teacher": answers(teacher), "sft": answers(student), "student": answers(student)}
    said = audit(arms, {})
    json.dumps(said, allow_nan=False)
    assert said["subdomains"]["correctness"]["mass_sfs"] == np.mean(
        np.array(student) > np.array(teacher)
    )


def test_identical_models_and_empty_texts():
    same = answers([1, 0, 1], texts=["", " ", "1+1=2"])
    said = audit({"teacher": same, "sft": same, "student": same}, {})
    agreement = said["agreement"]["student"]
    assert agreement["same"]["value"] == 1 and agreement["same_wrong"] == 1
    assert said["subdomains"]["correctness"]["arms"]["student"]["margin"]["difference"] == 0


def test_distributions_that_are_not_finite_are_left_out_and_said():
    arms = {"teacher": answers([1, 0]), "student": answers([1, 1])}
    said = audit(arms, {"student": {"data": table(nan=True), "teacher": table()}})
    assert set(said["tokens"]["student"]) == {"teacher"} and "calibration" not in said
    assert any("1 of 40 tokens there is no finite" in words for words in said["not_measured"])


def test_losses_part_the_items_too():
    losses = np.linspace(0.1, 1, N)
    rng = np.random.default_rng(2)
    arms = {
        "teacher": drawn(rng, 0.8, losses=losses),
        "sft": drawn(rng, 0.5, losses=losses[::-1].copy()),
        "student": drawn(rng, 0.7),
    }
    part = audit(arms, {})["subdomains"]["loss"]
    assert part["mass_sfs"] == 0.5 and set(part["arms"]) == {"sft", "student"}


def test_without_a_teacher_there_is_nothing_to_follow():
    said = audit({"student": answers([1, 0])}, {})
    assert set(said) == {"not_measured"}
