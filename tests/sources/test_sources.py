"""Who is asked, with what, and what is kept of the answer."""

from dataclasses import dataclass, field

import pytest

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Completion, Interleaved, Sampling
from limbeck.sources import Sources, seed_for

ROWS = [Sequence((2, i), (3, 1), Author.DATA, example=i, weight=0.5) for i in range(4)]
PROMPTS = [r.prompt for r in ROWS]


@dataclass
class Engine:
    """Says its own number after each prompt, and notes what it was asked."""

    number: int
    asked: list = field(default_factory=list)

    def generate(self, prompts, sampling, seed):
        self.asked.append((list(prompts), sampling, seed))
        return [Completion((self.number, p[1], 1), (-0.5, -p[1] - 0.25, -1.0)) for p in prompts]


@dataclass
class Both:
    asked: list = field(default_factory=list)

    def mixed(self, prompts, sampling, seed, *, alpha):
        self.asked.append((list(prompts), sampling, seed, alpha))
        return [Completion((7, 1), (-0.25, -0.5)) for _ in prompts]

    def interleaved(self, prompts, sampling, seed, *, k, block, teacher_sampling=None):
        self.asked.append((list(prompts), sampling, seed, k, block))
        self.teacher_sampling = teacher_sampling
        return [Interleaved((8, 8, 1), None, True, (True, False, p[1] > 0)) for p in prompts]


SAMPLING = Sampling(max_new_tokens=5, temperature=0.75)


def everybody(**fields):
    return Sources(Engine(20), Both(), sampling=SAMPLING, **fields)


def test_text_keeps_its_author_and_log_probabilities():
    """Ids that are decoded and encoded again are other ids; ratios without them are other ratios."""
    sources = everybody()
    author, number = Author.STUDENT, 20
    rows = sources.from_student(ROWS, 11)
    for before, after in zip(ROWS, rows, strict=True):
        i = before.prompt[1]
        assert after == Sequence(
            before.prompt,
            (number, i, 1),
            author,
            before.example,
            log_probs=(-0.5, -i - 0.25, -1.0),
            weight=0.5,
        )
    engine = sources.student
    assert engine.asked == [(PROMPTS, SAMPLING, 11)]
    assert sources.written == 12


def test_greedy_text_is_asked_for_as_such():
    sources = everybody()
    sources.from_student(ROWS, 11, greedy=True)
    ((_, sampling, _),) = sources.student.asked
    assert sampling == Sampling(max_new_tokens=5, temperature=0.0)


def test_both_write():
    sources = everybody()
    mixed = sources.mixed(ROWS, 5, alpha=0.2)
    assert {(s.author, s.completion, s.log_probs) for s in mixed} == {
        (Author.BOTH, (7, 1), (-0.25, -0.5))
    }
    interleaved = sources.interleaved(ROWS, 6, k=25, block=5)
    assert {(s.author, s.completion, s.log_probs) for s in interleaved} == {
        (Author.BOTH, (8, 8, 1), None)
    }
    assert [s.prompt for s in mixed] == [s.prompt for s in interleaved] == PROMPTS
    assert sources.together.asked == [(PROMPTS, SAMPLING, 5, 0.2), (PROMPTS, SAMPLING, 6, 25, 5)]
    assert sources.written == 2 * 4 + 3 * 4


def test_acceptance_is_counted_over_all_proposals():
    """Three proposals a text; the last of the first prompt is refused as well."""
    sources = everybody()
    sources.interleaved(ROWS, 6, k=25, block=5)
    sources.interleaved(ROWS[:1], 6, k=25, block=5)
    assert sources.counted == {"acceptance": [1 + 3 * 2 + 1, 15]}


def test_plain_text_stands_beside_each_row():
    corpus = [Sequence((9,), (i, 1), Author.CORPUS) for i in range(3)]
    sources = everybody(corpus=corpus)
    both = sources.beside(ROWS, 5)
    assert both[0::2] == ROWS
    assert both[1::2] == [corpus[i % 3] for i in range(5, 9)]
    assert sources.beside(ROWS, 5) == both
    starts = {sources.beside(ROWS[:1], seed)[1].completion[0] for seed in range(9)}
    assert starts == {0, 1, 2}, "all of it is read"
    assert sources.written == 0, "nobody wrote it"


def test_who_is_missing_is_named():
    nobody = Sources()
    with pytest.raises(ValueError, match="samples from the student"):
        nobody.from_student(ROWS, 0)
    for ask in (
        lambda: nobody.mixed(ROWS, 0, alpha=0.5),
        lambda: nobody.interleaved(ROWS, 0, k=1, block=1),
    ):
        with pytest.raises(ValueError, match="write together"):
            ask()
    with pytest.raises(ValueError, match="corpus"):
        nobody.beside(ROWS, 0)


def test_a_seed_is_a_function_of_its_parts():
    assert seed_for("step", 1, 2) == seed_for("step", "1", "2") != seed_for("step", 2, 1)
    assert seed_for("a", 12) != seed_for("a", 1, 2)
