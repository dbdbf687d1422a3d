"""UNDO's algorithm, with a tutor that writes down what it is asked."""

import random

import pytest

from limbeck.data import Author, Sequence
from limbeck.methods import UNDO, Rationale
from limbeck.tutoring import Attempt, Entry, Lesson

ROWS = range(8)


class Tutor:
    """Solves and refines by the number of the row; knows what it was asked."""

    def __init__(self, round_=1, earlier=None, right=(), fails=()):
        self.round, self.fails, self.right = round_, set(fails), set(right)
        self.known = earlier if earlier is not None else self._all("old")
        self.asked, self.seen = [], None
        self.drawn_again = False

    def _all(self, word, origin="first"):
        return {i: Rationale(f"{word} {i}", origin) for i in ROWS if i not in self.fails}

    def solve(self, rows, again=False):
        self.asked, self.drawn_again = list(rows), again
        return {i: r for i, r in self._all("drawn" if again else "solved").items() if i in rows}

    def earlier(self):
        return dict(self.known)

    def record(self):
        def lesson(i):
            return Lesson(
                0,
                f"old {i}",
                Attempt(f"attempt {i}", i % 2 == 0, "" if i % 2 == 0 else "arithmetic"),
            )

        return tuple(Entry(f"question {i}", (lesson(i),)) for i in range(6))

    def attempts(self, rows):
        return {i: Attempt(f"own {i}", i in self.right) for i in rows}

    def refine(self, record, earlier, attempts):
        self.asked, self.seen, self.shown = list(attempts), record, dict(attempts)
        self.previous = dict(earlier)
        return {i: r for i, r in self._all("new").items() if i in attempts}

    def text(self, rationales):
        self.trained = rationales
        return [Sequence((1,), (2,), Author.TEACHER, i) for i in sorted(rationales)]


class Lab:
    seed = run_seed = 5

    def __init__(self, tutor):
        self.tutor, self.round = tutor, tutor.round

    def prompts(self):
        return [Sequence((1,), (), Author.DATA, i) for i in ROWS]


def trained(method, tutor):
    """What a round of the method trains on."""
    method.prepare(Lab(tutor))
    return tutor.trained


def test_the_first_round_is_one_shot():
    tutor = Tutor(round_=0, fails=[3])
    found = trained(UNDO(), tutor)
    assert tutor.asked == list(ROWS) and not tutor.drawn_again
    assert {i: r.text for i, r in found.items()} == {i: f"solved {i}" for i in ROWS if i != 3}


def test_all_rows_are_rewritten_with_the_record_and_no_attempts():
    tutor = Tutor()
    found = trained(UNDO(), tutor)
    assert tutor.seen == tutor.record() and set(tutor.shown.values()) == {None}
    assert {r.text for r in found.values()} == {f"new {i}" for i in ROWS}
    assert {r.origin for r in found.values()} == {"first"}


def test_a_row_without_a_right_answer_falls_back_and_is_named_so():
    tutor = Tutor(fails=[2], earlier={2: Rationale("old 2", "retried")})
    assert trained(UNDO(), tutor)[2] == Rationale("old 2", "earlier")


def test_a_row_that_never_had_one_is_asked_again_and_left_out():
    tutor = Tutor(fails=[2], earlier={})
    found = trained(UNDO(), tutor)
    assert 2 in tutor.asked and 2 not in found and len(found) == 7


@pytest.mark.parametrize("mode", ["failed", "mixed"])
def test_only_what_the_student_has_wrong_is_rewritten(mode):
    tutor = Tutor(right=[0, 1, 2])
    found = trained(UNDO(mode=mode), tutor)
    assert tutor.asked == [3, 4, 5, 6, 7]
    assert {i: a.text for i, a in tutor.shown.items()} == {i: f"own {i}" for i in range(3, 8)}
    kept = Rationale("old 1", "earlier") if mode == "failed" else Rationale("own 1", "own")
    assert found[1] == kept and found[5].text == "new 5"


def test_a_student_that_has_all_right_needs_nothing():
    tutor = Tutor(right=ROWS)
    found = trained(UNDO(mode="mixed"), tutor)
    assert tutor.asked == [] and {r.origin for r in found.values()} == {"own"}


# Controls


def test_resampling_draws_again_and_shows_nothing():
    tutor = Tutor()
    found = trained(UNDO(feedback="resample"), tutor)
    assert tutor.drawn_again and tutor.seen is None and tutor.asked == list(ROWS)
    assert found[4].text == "drawn 4"


def test_a_blind_teacher_rewrites_the_same_rows_without_record_or_attempts():
    tutor = Tutor(right=[0])
    trained(UNDO(feedback="blind", mode="failed"), tutor)
    assert tutor.seen == () and set(tutor.shown.values()) == {None} and len(tutor.asked) == 7


def test_shuffled_feedback_is_the_same_attempts_at_other_problems():
    tutor = Tutor(right=[0])
    trained(UNDO(feedback="shuffled", mode="failed"), tutor)
    assert [e.question for e in tutor.seen] == [e.question for e in tutor.record()]
    dealt = [e.lessons[0].attempt for e in tutor.seen]
    own = [e.lessons[0].attempt for e in tutor.record()]
    assert sorted(a.text for a in dealt) == sorted(a.text for a in own)
    assert all(a != b for a, b in zip(dealt, own, strict=True))
    shown = {i: a.text for i, a in tutor.shown.items()}
    assert sorted(shown.values()) == [f"own {i}" for i in range(1, 8)]
    assert all(text != f"own {i}" for i, text in shown.items())


def test_a_learners_history_stays_with_the_problem_it_was_dealt_to():
    """The teacher sees the rounds of one learner, not a new one each time."""
    first, second = Tutor(), Tutor()
    method = UNDO(feedback="shuffled")
    trained(method, first)
    lab = Lab(second)
    lab.seed = 6  # of another round
    method.prepare(lab)
    assert first.seen == second.seen


def test_what_was_cut_is_not_done():
    """The end of a text that was cut would be taught as its end."""
    tutor = Tutor(right=[0, 1])
    tutor.attempts = lambda rows: {i: Attempt(f"own {i}", i < 2, finished=i != 1) for i in rows}
    found = trained(UNDO(mode="mixed"), tutor)
    assert found[0].origin == "own" and found[1].text == "new 1" and 1 in tutor.asked


@pytest.mark.parametrize("feedback", ["record", "shuffled", "blind", "resample"])
@pytest.mark.parametrize("mode", ["all", "failed", "mixed"])
def test_controls_ask_for_as_many_solutions(mode, feedback):
    """Compute-matched: a gain over a control cannot come from more calls."""
    right = random.Random(0).sample(list(ROWS), 3)
    tutor, control = Tutor(right=right), Tutor(right=right)
    trained(UNDO(mode=mode), tutor)
    trained(UNDO(mode=mode, feedback=feedback), control)
    assert control.asked == tutor.asked


# When rounds end


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([0.4], True), ([0.4, 0.41], True), ([0.4, 0.405], False), ([0.4, 0.6, 0.5], False)],
)
def test_rounds_end_when_the_student_gains_no_more(accuracies, expected):
    assert UNDO().goes_on(accuracies) is expected


def test_rounds_are_the_first_and_the_refinements():
    assert UNDO().number_of_rounds(0) == 4 and UNDO(rounds=0).number_of_rounds(0) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"rounds": -1}, {"mode": "some"}, {"feedback": "none"}, {"start": "again"}, {"diagnosis": 0},
        {"retries": -1}, {"retry_temperature": 0.0}, {"temperature": -0.1}, {"context": 0},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNDO(**wrong)
