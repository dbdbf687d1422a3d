"""What every method promises the trainer and the reader, checked over the registry."""

import dataclasses
import json

import pytest
import torch

from limbeck import methods
from limbeck.data.batch import Author, Sequence
from limbeck.divergences import Head
from limbeck.engines import Scripted
from limbeck.methods import METHODS, Step
from limbeck.schedules import Linear
from limbeck.sources import Sources
from limbeck.targets import Dense, Projected

from .labs import Answers, Together
from .texts import STEP, Texts, V, settled, total

every_method = pytest.mark.parametrize("name", METHODS)
# Where the maths says that a student that is its teacher has nothing to learn.
STILL = {
    **{n: {} for n in ("kd", "revkd", "jsd", "tvd", "akl", "gkd", "taid", "skd")},
    **{n: {} for n in ("distillm", "distillm2", "opd", "minillm", "custom")},
    "abkd": {"ce": 0.0},
    "dkd": {"ce": 0.0},
    "cd": {"lmbda": 1.0},
    "scd": {"lmbda": 1.0},
    "imitkd": {"target": "full"},
}


def build(name, **fields):
    """The method at its defaults but for ``fields``."""
    return METHODS[name](**fields)


def make(n):
    lengths = {0: [], 2: [1, 1], 5: [2, 3], 6: [2, 1, 1, 2], 7: [2, 1, 3, 1]}[n]
    authors = [(Author.TEACHER, Author.STUDENT)[i % 2] for i in range(len(lengths))]
    return Texts(lengths, authors, seed=n)


def tokens_of(method, n=6, step=STEP, **changes):
    """The method of the moment, the step with its state, and tokens it has had a look at."""
    texts = make(n)
    for name, value in changes.items():
        setattr(texts, name, value)
    texts.log_probs = texts.of_labels(texts.z_q) if n else texts.log_probs
    step = dataclasses.replace(step, state=method.init())
    method = settled(method, step)
    looked = method.look(texts.scored(), step) if method.looks else {}
    weight = torch.full((n,), 0.6, dtype=torch.float64)
    tokens = texts.tokens(texts.z_q.clone().requires_grad_(), weight=weight, **looked)
    return method, step, tokens


def terms_of(name, n=6, **fields):
    method, step, tokens = tokens_of(build(name, **fields), n)
    return method.loss(tokens, step), tokens.logits


PROPERTIES = (
    "teacher_writes",
    "student_writes",
    "writes_together",
    "needs_corpus",
    "needs_path",
    "needs_start",
    "needs",
    "cost",
    "looks",
    "imitates",
    "reduction",
)


@every_method
def test_every_number_may_be_a_schedule(name):
    """A schedule is no number: who compares it with one before training ends the run."""
    plain = build(name, **({"estimator": "sampled"} if name == "opd" else {}))
    plain = settled(plain)
    for field in dataclasses.fields(plain):
        value = getattr(plain, field.name)
        if field.type not in (float, int) or field.name in plain.settled:
            continue
        moving = dataclasses.replace(plain, **{field.name: Linear(value, value)})
        assert {p: getattr(moving, p) for p in PROPERTIES} == {
            p: getattr(plain, p) for p in PROPERTIES
        }
        assert [s.author for s in moving.prepare(Answers())]
        assert settled(moving) == plain
        assert type(getattr(settled(moving), field.name)) is type(value)


def test_a_whole_number_stays_whole_while_it_moves():
    """Top 18.7 is no set of tokens."""
    method = methods.SKD(k=Linear(25, 5), block=Linear(1, 4))
    seen = [method.at(Step(i, 10), {"k": {}, "block": {}}) for i in range(11)]
    assert [m.k for m in seen] == [25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5]
    assert [m.block for m in seen] == [round(1 + 0.3 * i) for i in range(11)]
    assert all(type(m.k) is type(m.block) is int for m in seen)


@every_method
def test_terms_are_one_finite_number_for_each_token(name):
    terms, _ = terms_of(name)
    assert terms
    for value in terms.values():
        assert value.shape == (6,) and value.isfinite().all() and value.requires_grad


@every_method
def test_no_tokens_give_the_same_terms(name):
    """A rank whose answers are all empty would wait for the others for ever."""
    terms, _ = terms_of(name, 0)
    assert list(terms) == list(terms_of(name, 2)[0])
    assert all(v.shape == (0,) for v in terms.values())
    total(terms).backward()


@every_method
@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows_can_be_fed_in_chunks(name, size):
    """The trainer's memory saving would change the loss."""
    method, step, tokens = tokens_of(build(name), 7)
    whole = method.loss(tokens, step)
    parts = [method.loss(tokens[slice(i, i + size)], step) for i in range(0, 7, size)]
    for term, value in whole.items():
        torch.testing.assert_close(torch.cat([p[term] for p in parts]), value, rtol=1e-13, atol=0)
    (once,) = torch.autograd.grad(total(whole), tokens.logits)
    (pieces,) = torch.autograd.grad(sum(total(p) for p in parts), tokens.logits)
    torch.testing.assert_close(pieces, once, rtol=1e-13, atol=1e-15)


@every_method
def test_a_token_moves_only_its_own_logits(name):
    terms, logits = terms_of(name, 5)
    (grad,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(0)[2], logits)
    assert grad[2].ne(0).any() and grad[[0, 1, 3, 4]].eq(0).all()


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_student_stands_still(name, dtype):
    """Distillation would go on pushing a student that already is its teacher."""
    z = make(6).z_p.to(dtype)
    method, step, tokens = tokens_of(build(name, **STILL[name]), z_p=z, z_q=z)
    terms = method.loss(tokens, step)
    tiny = 5e-6 if dtype == torch.float32 else 1e-14
    assert all(v.abs().max() <= tiny for v in terms.values())
    (grad,) = torch.autograd.grad(total(terms), tokens.logits)
    assert grad.abs().max() <= tiny


@every_method
def test_the_teacher_gets_no_gradient(name):
    method, step, tokens = tokens_of(build(name))
    dense = torch.randn(6, V, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(V, 4, dtype=torch.float64, requires_grad=True)
    for target in (Dense(dense), Projected(hidden, Head(weight))):
        total(method.loss(dataclasses.replace(tokens, target=target), step)).backward()
    assert dense.grad is hidden.grad is weight.grad is None
    assert tokens.logits.grad.ne(0).any()


@every_method
def test_what_it_sees_of_whole_sequences_is_a_number_for_each_token(name):
    method, step, _ = tokens_of(build(name))
    if method.looks:
        found = method.look(make(6).scored(), step)
        assert found
        assert all(v.shape == (6,) and not v.requires_grad for v in found.values())


@every_method
def test_says_whether_it_needs_a_teacher(name):
    method, step, tokens = tokens_of(build(name))
    tokens = dataclasses.replace(tokens, target=None)
    if method.imitates and name != "dpkd":  # its teacher's verdict is in the margin
        with pytest.raises(ValueError, match="teacher"):
            method.loss(tokens, step)
    elif not method.imitates:
        assert method.loss(tokens, step)
        assert method.needs == "nothing"


@every_method
def test_state_survives_a_checkpoint(name):
    method, step, tokens = tokens_of(build(name))
    state = method.init()
    assert json.loads(json.dumps(state)) == state
    seen = {**method.loss(tokens, step), **tokens.given}
    after = method.update({k: float(v.detach().mean()) for k, v in seen.items()}, step)
    assert json.loads(json.dumps(dict(after))) == dict(after)
    assert set(after) == set(state)


@every_method
def test_prepares_the_text_that_it_says(name):
    method = build(name)
    wanted = Author.TEACHER if method.teacher_writes else Author.DATA
    assert [s.author for s in method.prepare(Answers())] == [wanted]
    if any(f.name == "source" for f in dataclasses.fields(method)):
        other = dataclasses.replace(method, source="teacher")
        assert other.teacher_writes
        assert [s.author for s in other.prepare(Answers())] == [Author.TEACHER]


@pytest.mark.parametrize("cls", [methods.MiniLLM, methods.SKD, methods.OPD, methods.GKD])
def test_fully_on_policy_training_needs_no_answers(cls):
    """Prompts without a completion would be thrown away, and a teacher asked for nothing."""
    fields = (
        [{}]
        if cls is not methods.GKD
        else [{"lmbda": 1.0, "source": s} for s in ("data", "teacher")]
    )
    for each in fields:
        method = cls(**each)
        assert method.prepare(Answers()) == [Sequence((2,))] and not method.teacher_writes


@every_method
def test_keeps_the_prompts_and_their_order(name):
    """Answers would be trained on as answers to other questions."""
    rows = [
        Sequence((2, i), (3, 1), Author.DATA, example=i, rejected=(2, i, 1)) for i in range(2, 7)
    ]
    sources = Sources(student=Scripted(lambda prompt: (*prompt, 1)), together=Together())
    method = build(name)
    for index in range(4):
        step = Step(index, 10)
        chosen = settled(method, step).sequences(rows, sources, step)
        assert len(chosen) % len(rows) == 0
        each = len(chosen) // len(rows)
        assert [s.prompt for s in chosen] == [r.prompt for r in rows for _ in range(each)]
        assert [s.example for s in chosen] == [r.example for r in rows for _ in range(each)]
        for s in chosen:
            if s.author in (Author.STUDENT, Author.BOTH):
                assert method.student_writes and s.completion == (*s.prompt, 1)
                assert method.writes_together == (s.author == Author.BOTH)
