"""The student's proposals and the teacher's replacements: whose token stands where."""

import pytest
import torch
from transformers import GPT2Config

from limbeck.engines import Completion, Interleaved, Sampling
from limbeck.engines.interleave import check
from limbeck.engines.pair import Pair
from limbeck.engines.sampler import uniforms
from limbeck.engines.transformers import TransformersEngine

from .families import CONFIGS, build
from .one_by_one import (
    EOS,
    PAD,
    PLAIN,
    VOCABULARY,
    WARPED,
    assert_same,
    drawn,
    expected,
    mass_of,
    models,
    next_logits,
    prompts,
    top,
)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [(family, family) for family in CONFIGS if family != "llama, eager"]
    + [("mistral, sliding", "gpt2"), ("opt", "gemma2, capped and sliding")],
)
def test_a_block_at_a_time_is_a_token_at_a_time(student, teacher):
    """Rows of which different numbers are accepted would read each other's leftovers."""
    pair, ends = models(student, teacher), {EOS, 7}
    theirs = expected(pair, prompts(), 6, ends)
    assert_same(Pair(*pair, PAD, ends).interleaved(prompts(), PLAIN, 0, k=6, block=5), theirs)
    accepted = [c.accepted for c in theirs]
    assert 0 < sum(accepted) < sum(c.proposed for c in theirs) and len(set(accepted)) > 2
    assert {c.finished for c in theirs} == {True, False}


@pytest.mark.parametrize("k", [1, 4, 12])
def test_the_text_does_not_depend_on_the_block(k):
    """A setting for speed would be another method; 50 is more than there is left to write."""
    pair = models()
    theirs = expected(pair, prompts(), k, {EOS})
    for block in (1, 2, 7, 12, 50):
        ours = Pair(*pair, PAD, {EOS}).interleaved(prompts(), PLAIN, 0, k=k, block=block)
        assert_same(ours, theirs)


@pytest.mark.parametrize("sampling", [PLAIN, WARPED, Sampling(12, 0.0)])
def test_with_all_of_the_vocabulary_the_student_writes_alone(sampling):
    """SKD with k = V is on-policy distillation, and the ablation between them needs it exactly."""
    student, teacher = models()
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), sampling, 5, k=VOCABULARY, block=5
    )
    alone = TransformersEngine(student, PAD, {EOS}).generate(prompts(), sampling, 5)
    assert [c.tokens for c in ours] == [c.tokens for c in alone]
    assert all(all(c.by_student) and c.accepted == c.proposed == len(c.tokens) for c in ours)


def test_one_likeliest_token_of_a_greedy_teacher_is_its_greedy_text():
    student, teacher = models()
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), PLAIN, 0, k=1, block=5, teacher_sampling=Sampling(temperature=0.0)
    )
    greedy = TransformersEngine(teacher, PAD, {EOS}).generate(prompts(), Sampling(12, 0.0), 0)
    assert [c.tokens for c in ours] == [c.tokens for c in greedy]
    assert 0 < sum(c.accepted for c in ours) < sum(c.proposed for c in ours)


@pytest.mark.parametrize(
    "teacher_sampling", [None, Sampling(3, 0.2, 0.5)], ids=["same", "own, a nucleus below k"]
)
def test_who_wrote_what_can_be_recounted(teacher_sampling):
    """The acceptance rate is reported, and the rule is the raw logits' (the nucleus has 1 or 2)."""
    student, teacher = models()
    k, sampling = 8, Sampling(12, 0.9, 0.9)
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), sampling, 2, k=k, block=4, teacher_sampling=teacher_sampling
    )
    numbers = uniforms(len(prompts()), 12, 2)
    outside_nucleus = 0
    for prompt, row, c in zip(prompts(), numbers, ours, strict=True):
        accepted = 0
        for i, (token, own) in enumerate(zip(c.tokens, c.by_student, strict=True)):
            text = [*prompt, *c.tokens[:i]]
            raw = next_logits(teacher, text)
            proposal = drawn(mass_of(next_logits(student, text), sampling), row[i])
            p = mass_of(raw, teacher_sampling or sampling)
            assert own == (proposal in top(raw, k))
            assert token == proposal if own else p[token] > 0
            outside_nucleus += own and p[token] == 0
            accepted += own
        assert (c.accepted, c.proposed) == (accepted, len(c.tokens))
    assert outside_nucleus > 5 or teacher_sampling is None
    theirs = expected((student, teacher), prompts(), k, {EOS}, 2, sampling, teacher_sampling)
    assert_same(ours, theirs)


def test_what_ties_is_inside_and_what_is_impossible_is_not():
    """A teacher with fewer than k possible tokens would let anything through."""
    inf = torch.inf
    logits = torch.tensor([[2.0, 1.0, 1.0, 0.0], [2.0, -inf, -inf, -inf]]).repeat_interleave(4, 0)
    proposals = torch.arange(4).repeat(2)
    q = torch.full((8, 4), 0.25)
    tokens, log_probs, accepted = check(
        logits[:, None], q[:, None], proposals[:, None], 2, Sampling(), torch.zeros(8, 1).double()
    )
    assert accepted.tolist() == [True, True, True, False, True, False, False, False]
    assert tokens.tolist() == [0, 1, 2, 0, 0, 0, 0, 0]
    p = logits[0].softmax(0)
    alike = (0.25 + 0.25 * p[[0, 1, 2, 0]]).log()
    torch.testing.assert_close(log_probs, torch.cat([alike, torch.zeros(4)]))


def test_an_end_inside_a_block_is_the_end():
    """What the student proposed behind its own end would become text."""
    pair = models()
    free = expected(pair, prompts(), VOCABULARY, ())
    ends = {row.tokens[i % 4] for i, row in enumerate(free[:4])}  # one ends at once, the next later
    done = Pair(*pair, PAD, ends).interleaved(prompts(), PLAIN, 0, k=VOCABULARY, block=8)
    for c, row in zip(done, free, strict=True):
        stop = next((i + 1 for i, t in enumerate(row.tokens) if t in ends), 12)
        assert c.tokens == row.tokens[:stop] and c.finished == (c.tokens[-1] in ends)
    assert len({len(c.tokens) for c in done}) > 3


def test_a_table_of_positions_is_not_left():
    """A row that is full is fed on with the others, beyond the last position that GPT-2 knows."""
    config = GPT2Config(
        vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, initializer_range=0.4
    )
    pair, batch = (build(config, 0).double(), build(config, 1).double()), prompts((4,) * 6)
    done = Pair(*pair, PAD, ()).interleaved(batch, PLAIN, 0, k=6, block=5)
    assert_same(done, expected(pair, batch, 6, ()))


def test_the_teacher_looks_once_at_a_block_and_nothing_is_read_twice():
    """It is the larger of the two; token by token it would cost as much as its own text."""
    student, teacher = models()
    read = {student: [], teacher: []}
    for model in read:
        model.register_forward_pre_hook(
            lambda m, args, kwargs: read[m].append(kwargs["input_ids"].shape[1]), with_kwargs=True
        )
    Pair(student, teacher, PAD, ()).interleaved(
        prompts((7, 7)), Sampling(20), 0, k=VOCABULARY, block=5
    )
    assert read[teacher] == [7 + 4, 5, 5, 5]
    assert read[student] == [7] + [1] * 19


def test_a_text_knows_how_much_of_it_was_accepted():
    text = Interleaved((5, 6, 7), None, True, (True, False, True))
    assert (text.proposed, text.accepted) == (3, 2)
    assert isinstance(text, Completion)
