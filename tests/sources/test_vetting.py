"""Which answers of a teacher are kept."""

import pytest

from limbeck.data import last_number
from limbeck.errors import LimbeckError
from limbeck.sources import Answer, refuse_if_none, vet


def test_each_reason_in_its_order():
    """An answer that fails several tests is counted once, under the first."""
    cases = [
        (Answer(0, "so 7", True, "7"), "kept"),
        (Answer(0, "so 7", False, "7"), "unfinished"),
        (Answer(0, "so 8", False, "7"), "unfinished"),
        (Answer(0, "so 8", True, "7"), "wrong"),
        (Answer(0, "so 8", True, "7"), "wrong"),
        (Answer(0, " so\n7 ", True, "7"), "duplicate"),
        (Answer(0, "So 7", True, "7"), "kept"),
        (Answer(1, "so 7", True, "7"), "kept"),
        (Answer(1, "nothing", True, None), "kept"),
    ]
    assert vet([answer for answer, _ in cases], last_number) == [verdict for _, verdict in cases]


def test_without_a_verifier_nothing_is_wrong():
    answers = [Answer(0, "so 8", True, "7"), Answer(0, "so 8", True, "7")]
    assert vet(answers, None) == ["kept", "duplicate"]


def test_what_was_left_out_makes_no_duplicate():
    """The cut answer is the same text as the whole one, and only the whole one can be kept."""
    answers = [Answer(0, "7", False), Answer(0, "7", True), Answer(0, "7", True)]
    assert vet(answers, None) == ["unfinished", "kept", "duplicate"]


def refusal(answers, verify):
    questions = {a.example: f"what is\n{a.example}? {'x' * 300}" for a in answers}
    with pytest.raises(LimbeckError) as caught:
        refuse_if_none(answers, vet(answers, verify), questions, "runs/x")
    assert caught.value.exit_code == 1 and caught.value.mend and "runs/x" in caught.value.where
    return caught.value


def test_three_rejected_answers_are_shown_beside_what_was_wanted():
    answers = [Answer(i, f"I say\n{i} {'y' * 300}", i != 1, f"gold{i}") for i in range(6)]
    error = refusal(answers, lambda text, gold: False)
    assert error.what == "the verifier rejects every answer of the teacher"
    assert "data.verifier" in error.mend
    head, *shown = error.where.splitlines()
    assert "5 that came to an end" in head and len(shown) == 9
    for number, i in enumerate((0, 2, 3)):
        question, answer, gold = shown[3 * number : 3 * number + 3]
        assert f"question what is {i}? xxx" in question and len(question.split(None, 1)[1]) == 200
        assert f"answer   I say {i} yyy" in answer and len(answer.split(None, 1)[1]) == 200
        assert gold.split() == ["gold", f"gold{i}"]
    assert not any(f"gold{i}" in error.where for i in (1, 4, 5))


def test_answers_that_never_end_are_not_the_verifiers_fault():
    answers = [Answer(i, "7", False, "8") for i in range(3)]
    error = refusal(answers, last_number)
    assert "no answer of the teacher came to an end" in error.what
    assert "generation.max_new_tokens" in error.mend


def test_one_kept_answer_is_enough():
    answers = [Answer(0, "7", True, "7"), Answer(1, "7", True, "8"), Answer(2, "7", False, "7")]
    refuse_if_none(answers, vet(answers, last_number), {}, "runs/x")
