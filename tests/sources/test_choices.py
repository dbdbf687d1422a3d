"""Whose text a method trains on, step by step: the algorithms of the papers as tables."""

from dataclasses import replace

import pytest

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Completion, Interleaved, Sampling, Scripted
from limbeck.methods import OPD, SKD, DistiLLM, DistiLLM2, ImitKD, MiniLLM, Step
from limbeck.sources import Replay, Sources

ROWS = [Sequence((2, i), (3, 1), Author.DATA, example=i) for i in range(6)]


class Both:
    """Notes each call; every text names the call that wrote it."""

    def __init__(self):
        self.calls = []

    def mixed(self, prompts, sampling, seed, *, alpha):
        self.calls.append((seed, alpha))
        return [Completion((len(self.calls), *p, 1), (-0.5,) * (len(p) + 2)) for p in prompts]


class Diary(Scripted):
    """A student that notes how often it was asked, and how."""

    def __init__(self):
        super().__init__(lambda prompt: (*prompt, 1))
        self.asked = []

    def generate(self, prompts, sampling, seed):
        self.asked.append((len(prompts), sampling.temperature))
        return super().generate(prompts, sampling, seed)


# --- ImitKD --------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_imitkd_draws_for_each_example(beta):
    """DAgger mixes examples; a draw for a batch would be another algorithm."""
    method, student = ImitKD(beta=beta), Diary()
    steps, kept, together = 300, 0, 0
    for index in range(steps):
        chosen = method.sequences(ROWS, Sources(student=student), Step(index, steps, seed=1))
        given = [s == r for s, r in zip(chosen, ROWS, strict=True)]
        kept += sum(given)
        together += len(set(given)) == 1
        for s, r, own in zip(chosen, ROWS, given, strict=True):
            assert own or s == replace(r, completion=(*r.prompt, 1), author=Author.STUDENT)
    n = steps * len(ROWS)
    assert abs(kept / n - beta) <= 4 * (beta * (1 - beta) / n) ** 0.5
    assert together == steps if beta in (0, 1) else together < steps / 2
    assert {t for _, t in student.asked} <= {0.0}, "greedy"
    assert sum(c for c, _ in student.asked) == n - kept, "asked for no more than it needs"


def test_imitkd_ranks_draw_for_their_own_rows():
    method = ImitKD(beta=0.5)
    drawn = [
        tuple(
            s.author
            for index in range(9)
            for s in method.sequences(
                ROWS, Sources(student=Diary()), Step(index, 9, seed=seed, rank=rank)
            )
        )
        for seed, rank in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert drawn[0] == drawn[3] and len(set(drawn)) == 3


# --- DistiLLM ------------------------------------------------------------------------------------

FRESH, BUFFER, GIVEN = "the student writes", "the buffer", "the given text"
FULL = 4


def algorithm_1(u, phi, share, full, filled, trains_on):
    """The paper (``buffer``) and its released code (``fresh``)."""
    if trains_on == "fresh":
        if u < phi * share or (u < phi and not full):
            return FRESH
        return BUFFER if u < phi else GIVEN
    if u < phi * share or (u < phi and not filled):
        return FRESH  # and a draw of the buffer that now holds it
    return BUFFER if u < phi else GIVEN


@pytest.mark.parametrize("replay", ["decreasing", "constant", "increasing"])
@pytest.mark.parametrize("trains_on", ["fresh", "buffer"])
@pytest.mark.parametrize("held", [0, 2, FULL])
@pytest.mark.parametrize("index", [0, 5, 9])
def test_distillm_is_algorithm_1(monkeypatch, replay, trains_on, held, index):
    """A table of u: who writes, and what is trained on."""
    old = [Sequence((7, i), (6, 1), Author.STUDENT, example=50 + i) for i in range(held)]
    progress = index / 10
    share = {"decreasing": 1 - progress, "constant": 0.5, "increasing": progress}[replay]
    seen = set()
    for u in (0.0, 0.05, 0.25, 0.45, 0.59, 0.61, 0.95):
        monkeypatch.setattr("random.Random.random", lambda self, u=u: u)
        sources = Sources(student=Diary(), replay=Replay(FULL))
        sources.replay.push(old)
        method = DistiLLM(phi=0.6, replay=replay, trains_on=trains_on, capacity=FULL)
        chosen = method.sequences(ROWS[:2], sources, Step(index, 10))
        expected = algorithm_1(u, 0.6, share, held == FULL, held > 0, trains_on)
        seen.add(expected)
        fresh = [replace(r, completion=(*r.prompt, 1), author=Author.STUDENT) for r in ROWS[:2]]
        kept = (old + fresh)[-FULL:] if expected == FRESH else old
        assert list(sources.replay.rows) == kept
        assert len(sources.student.asked) == (expected == FRESH)
        assert len(chosen) == 2
        if expected == GIVEN:
            assert chosen == ROWS[:2]
        elif expected == FRESH and trains_on == "fresh":
            assert chosen == fresh
        else:
            assert all(s in kept for s in chosen)
    assert GIVEN in seen and len(seen) > 1


def test_distillm_draws_once_for_a_batch_and_alike_on_every_rank():
    method, found = DistiLLM(phi=0.5), []
    for index in range(200):
        chosen = [
            method.sequences(ROWS, Sources(student=Diary()), Step(index, 200, rank=rank))
            for rank in range(3)
        ]
        assert len({s.author for rows in chosen for s in rows}) == 1
        found.append(chosen[0][0].author == Author.STUDENT)
    assert abs(sum(found) / 200 - 0.5) < 0.15


def test_distillm_without_phi_never_writes():
    sources = Sources(student=Diary())
    for index in range(20):
        assert DistiLLM(phi=0.0).sequences(ROWS, sources, Step(index, 20)) == ROWS
    assert not sources.student.asked and not DistiLLM(phi=0.0).student_writes


def test_distillm_puts_plain_text_beside_whatever_it_chose():
    corpus = [Sequence((9,), (8,), Author.CORPUS)]
    for phi in (0.0, 1.0):
        sources = Sources(student=Diary(), corpus=corpus)
        chosen = DistiLLM(phi=phi, lm_coef=1.0).sequences(ROWS, sources, Step(0, 9))
        assert chosen[1::2] == corpus * len(ROWS)
        assert {s.author for s in chosen[0::2]} == {Author.STUDENT if phi else Author.DATA}
        assert Author.CORPUS not in {s.author for s in sources.replay.rows}


# --- MiniLLM, SKD, DistiLLM-2 --------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 3])
def test_minillm_trains_on_the_same_draws_for_some_steps(epochs):
    sources, method = Sources(together=Both()), MiniLLM(epochs=epochs, alpha=0.3)
    wrote = []
    for index in range(7):
        chosen = method.sequences(ROWS, sources, Step(index, 7, seed=2))
        assert [s.prompt for s in chosen] == [r.prompt for r in ROWS]
        assert {s.author for s in chosen} == {Author.BOTH}
        assert all(len(s.log_probs) == len(s.completion) for s in chosen)
        wrote.append({s.completion[0] for s in chosen})
    assert wrote == [{1 + index // epochs} for index in range(7)]
    seeds, alphas = zip(*sources.together.calls, strict=True)
    assert len(set(seeds)) == len(seeds) and set(alphas) == {0.3}


def test_minillm_writes_anew_where_a_checkpoint_left_no_draws():
    """A run that resumes in between would train on nothing, or on too little."""
    sources = Sources(together=Both())
    chosen = MiniLLM(epochs=4).sequences(ROWS, sources, Step(2, 8))
    assert len(chosen) == len(ROWS) and len(sources.together.calls) == 1


def test_minillm_trains_on_large_batches():
    """A window with more rows than the buffer holds would stop the training."""
    rows = [Sequence((2, i % 30), (), Author.DATA, example=i) for i in range(1001)]
    chosen = MiniLLM().sequences(rows, Sources(together=Both()), Step(0, 8))
    assert len(chosen) == len(rows)


def test_skd_asks_for_what_it_says():
    asked = []

    class Interleaving:
        def interleaved(self, prompts, sampling, seed, *, k, block, teacher_sampling=None):
            asked.append((len(prompts), seed, k, block))
            return []

    step = Step(4, 9, seed=3, rank=1)
    with pytest.raises(ValueError, match="zip"):
        SKD(k=7, block=3).sequences(ROWS, Sources(together=Interleaving()), step)
    assert asked == [(6, step.sampling_seed, 7, 3)]


def test_distillm2_sets_both_answers_side_by_side():
    rows = [
        Sequence((2, i), (4, 1), Author.TEACHER, example=i, rejected=(5, i, 1)) for i in range(3)
    ]
    chosen = DistiLLM2().sequences(rows, Sources(), Step(0, 9))
    expected = []
    for i in range(3):
        expected.append(Sequence((2, i), (4, 1), Author.TEACHER, example=i))
        expected.append(Sequence((2, i), (5, i, 1), Author.STUDENT, example=i))
    assert chosen == expected


def test_distillm2_writes_the_students_side_where_the_round_did_not():
    rows = [
        Sequence((2, i), (4, 1), Author.TEACHER, example=i, rejected=(5, 1) if i == 1 else ())
        for i in range(3)
    ]
    student = Diary()
    chosen = DistiLLM2().sequences(rows, Sources(student=student), Step(0, 9))
    assert [s.author for s in chosen] == [Author.TEACHER, Author.STUDENT] * 3
    assert [s.example for s in chosen] == [0, 0, 1, 1, 2, 2]
    assert [s.completion for s in chosen[1::2]] == [(2, 0, 1), (5, 1), (2, 2, 1)]
    assert student.asked == [(2, 1.0)], "for those alone"


def test_skds_teacher_may_have_a_temperature_of_its_own():
    asked = []

    class Interleaving:
        def interleaved(self, prompts, sampling, seed, *, k, block, teacher_sampling=None):
            asked.append((sampling.temperature, teacher_sampling.temperature))
            return [Interleaved((2, 1), None, True, (True, True)) for _ in prompts]

    sources = Sources(together=Interleaving(), sampling=Sampling(temperature=0.5))
    for own in (None, 0.2):
        SKD(teacher_temperature=own).sequences(ROWS, sources, Step(0, 9))
    assert asked == [(0.5, 0.5), (0.5, 0.2)]


def test_opd_refuses_samples_of_something_else():
    sources = Sources(student=Scripted(lambda p: (3, 1)), sampling=Sampling(temperature=0.5))
    with pytest.raises(ValueError, match="temperature 1"):
        OPD(estimator="sampled").sequences(ROWS, sources, Step(0, 9))
