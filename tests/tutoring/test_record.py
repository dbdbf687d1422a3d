from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import RequestError
from limbeck.tutoring import Attempt, Entry, Lesson, blinded, fitted, shuffled


def record(right=(), rounds=2, problems=4, length=10):
    def attempt(problem, round_):
        correct = problem in right and round_ == rounds - 1
        return Attempt(f"{problem}/{round_} " * length, correct, "" if correct else "misread")

    return tuple(
        Entry(f"q{p}", tuple(Lesson(r, f"s{p}{r}", attempt(p, r)) for r in range(rounds)))
        for p in range(problems)
    )


def count(part):
    """Words: all that a prompt would show."""
    return sum(1 + sum(1 + len(x.attempt.text.split()) for x in e.lessons) for e in part)


def cut(text):
    return " ".join(text.split()[:2])


def test_a_record_that_fits_is_left_alone():
    whole = record()
    assert fitted(whole, count, count(whole), cut) is whole
    assert fitted((), count, 0, cut) == ()


def test_oldest_rounds_go_first_then_text_then_entries_that_were_right():
    whole = record(right=(1, 2), rounds=3)
    newer = tuple(Entry(e.question, e.lessons[1:]) for e in whole)
    newest = tuple(Entry(e.question, e.lessons[2:]) for e in whole)
    assert fitted(whole, count, count(whole) - 1, cut) == newer
    assert fitted(whole, count, count(newer) - 1, cut) == newest

    short = fitted(whole, count, count(newest) - 1, cut)
    assert [e.question for e in short] == ["q0", "q1", "q2", "q3"]
    assert {len(e.lessons[0].attempt.text.split()) for e in short} == {2}
    assert [e.lessons[0].attempt.correct for e in short] == [False, True, True, False]

    kept = []
    while len(short) > 1:
        short = fitted(whole, count, count(short) - 1, cut)
        kept.append([e.question for e in short])
    assert kept == [["q0", "q1", "q3"], ["q0", "q3"], ["q0"]]


def test_a_context_too_small_for_one_entry_is_refused():
    with pytest.raises(RequestError, match="too small for one record of the learner") as error:
        fitted(record(), count, 3, cut)
    assert "4 tokens" in str(error.value) and "3 is the limit" in str(error.value)


def test_an_entry_that_cannot_shrink_is_refused():
    single = (Entry("q", (Lesson(0, "s", Attempt("a", False)),)),)
    with pytest.raises(RequestError):
        fitted(single, lambda part: 5, 4, lambda text: text)


@given(st.sets(st.integers(0, 5)), st.integers(1, 3), st.integers(1, 6), st.integers(4, 200))
def test_what_is_kept_fits_and_nothing_larger_would(right, rounds, problems, limit):
    whole = record(right, rounds, problems)
    kept = fitted(whole, count, limit, cut)
    assert count(kept) <= limit and kept
    assert fitted(whole, count, count(kept), cut) == kept
    sizes = [count(fitted(whole, count, size, cut)) for size in range(4, limit + 1)]
    assert all(a <= b for a, b in pairwise(sizes)) and sizes[-1] == count(kept)


@given(st.integers(0, 8), st.integers(0, 10**6), st.integers(1, 3))
def test_shuffling_deals_every_attempt_to_another_problem(problems, seed, rounds):
    """The control would be the method itself where an entry kept its own attempts."""
    whole = record(right=(0, 3), rounds=rounds, problems=problems)
    dealt = shuffled(whole, seed)
    assert dealt == shuffled(whole, seed)
    own = [[x.attempt for x in e.lessons] for e in whole]
    theirs = [[x.attempt for x in e.lessons] for e in dealt]
    key = str
    assert sorted(map(key, own)) == sorted(map(key, theirs))  # whole histories, marks and tags too
    if problems > 1:
        assert all(a != b for a, b in zip(own, theirs, strict=True))
    for before, after in zip(whole, dealt, strict=True):
        assert before.question == after.question
        assert [(x.round, x.solution) for x in before.lessons] == [
            (x.round, x.solution) for x in after.lessons
        ]


def test_seeds_shuffle_differently():
    assert len({shuffled(record(problems=6), seed) for seed in range(20)}) > 10


def test_a_blind_teacher_sees_nothing_of_the_learner():
    assert blinded(record()) == ()
