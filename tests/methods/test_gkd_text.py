"""Whose text GKD trains on."""

import pytest

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Sampling, Scripted
from limbeck.methods import GKD, Step
from limbeck.sources import Sources, seed_for

ROWS = [Sequence((2, i), (3, 1), example=i) for i in range(4)]
SOURCES = Sources(student=Scripted(lambda prompt: [5, *prompt, 1]))


def wrote(method, step):
    authors = {s.author for s in method.sequences(ROWS, SOURCES, step)}
    assert len(authors) == 1, "one draw decides the whole batch"
    return authors.pop()


def test_the_coin_is_the_same_on_every_rank():
    """Ranks would train on different text, and one would wait for another's generation."""
    for index in range(50):
        coins = {wrote(GKD(lmbda=0.5), Step(index, 50, seed=1, rank=r)) for r in range(4)}
        assert len(coins) == 1


def test_the_coin_is_the_same_after_a_resume():
    """It depends on the seed and the step, not on what was drawn before."""
    straight = [wrote(GKD(), Step(i, 50, seed=1)) for i in range(50)]
    resumed = [wrote(GKD(), Step(i, 50, seed=1)) for i in range(30, 50)]
    assert resumed == straight[30:]
    assert straight != [wrote(GKD(), Step(i, 50, seed=2)) for i in range(50)]


@pytest.mark.parametrize("lmbda", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_the_student_writes_a_fraction_of_lambda(lmbda):
    n = 2000
    share = sum(wrote(GKD(lmbda=lmbda), Step(i, n)) == Author.STUDENT for i in range(n)) / n
    assert abs(share - lmbda) <= 4 * (lmbda * (1 - lmbda) / n) ** 0.5


def test_the_students_text_replaces_the_completion_and_nothing_else():
    rows = GKD(lmbda=1.0).sequences(ROWS, SOURCES, Step(0, 1))
    expected = [Sequence(r.prompt, (5, *r.prompt, 1), Author.STUDENT, r.example) for r in ROWS]
    assert rows == expected


def test_ranks_and_steps_sample_with_different_seeds():
    """Every rank would draw the same noise, so that the batch has fewer samples than it seems."""
    seeds = {
        Step(i, 9, seed=s, rank=r).sampling_seed for i in range(9) for s in (0, 1) for r in (0, 1)
    }
    assert len(seeds) == 36
    assert Step(3, 9, seed=1, rank=1).sampling_seed == Step(3, 99, seed=1, rank=1).sampling_seed


def test_seeds_do_not_depend_on_the_process():
    """Python salts its own hash of strings for each process."""
    assert seed_for("step", 1, 2) == 4177697318


def test_without_an_engine_it_says_what_is_missing():
    with pytest.raises(ValueError, match="student"):
        GKD(lmbda=1.0).sequences(ROWS, Sources(), Step(0, 1))


def test_sampling_reaches_the_engine():
    sources = Sources(student=Scripted(lambda p: range(50)), sampling=Sampling(max_new_tokens=3))
    rows = GKD(lmbda=1.0).sequences(ROWS, sources, Step(0, 1))
    assert {s.completion for s in rows} == {(0, 1, 2)}


def test_it_writes_only_where_lambda_says():
    assert not GKD(lmbda=0.0).student_writes and GKD(lmbda=0.1).student_writes
    assert GKD(source="teacher").teacher_writes and not GKD().teacher_writes
