"""What every method promises the trainer and the reader, checked over the registry."""

import ast
import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest
import torch

from limbeck import methods
from limbeck.data.batch import Author, Sequence, Tokens
from limbeck.divergences import Head
from limbeck.engines import Scripted
from limbeck.methods import METHODS, Step
from limbeck.sources import Sources
from limbeck.targets import Dense, Projected

EVENTS = 9
STEP = Step(index=3, total=10, seed=5)
every_method = pytest.mark.parametrize("name", METHODS)


def build(name, **fields):
    """The method at its defaults but for ``fields``."""
    return METHODS[name](**fields)


def pure(name):
    """A method whose loss is imitation alone: no labels in it."""
    cls = METHODS[name]
    known = {f.name for f in dataclasses.fields(cls)}
    return cls(**({"lmbda": 1.0} if "lmbda" in known else {}))


def make_tokens(n=6, seed=0, target=None, logits=None):
    g = torch.Generator().manual_seed(seed)
    drawn = 2 * torch.randn(2, n, EVENTS, generator=g, dtype=torch.float64)
    logits = drawn[0].clone().requires_grad_() if logits is None else logits
    return Tokens(
        logits=logits,
        target=Dense(drawn[1]) if target is None else target,
        label=torch.randint(0, EVENTS, (n,), generator=g),
        row=torch.arange(n) // 2,
        author=torch.full((n,), int(Author.DATA)),
    )


def total(terms):
    return torch.stack(list(terms.values())).sum()


@every_method
def test_stands_in_the_registry_under_its_own_name(name):
    cls = METHODS[name]
    assert name == cls.__name__.lower() == name.lower()
    assert getattr(methods, cls.__name__) is cls
    assert len(set(METHODS.values())) == len(METHODS)


@every_method
def test_is_a_frozen_final_dataclass(name):
    """A method that changes while it runs cannot be what the recipe says."""
    cls = METHODS[name]
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    assert getattr(cls, "__final__", False)
    assert cls.__bases__ == (methods.Method,)
    method = build(name)
    assert method == build(name) and hash(method) == hash(build(name))
    for field in dataclasses.fields(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, field.name, getattr(method, field.name))


@every_method
def test_names_its_paper_formula_and_choices(name):
    cls = METHODS[name]
    assert cls.paper.title and re.fullmatch(r"https://\S+", cls.paper.url)
    assert "q" in cls.formula
    for field in dataclasses.fields(cls.choices):
        assert getattr(cls.choices, field.name).strip()
    assert isinstance(cls.deviations, tuple) and all(d.endswith(".") or d for d in cls.deviations)
    assert cls.reduction in ("tokens", "sequences")


@every_method
def test_documents_each_of_its_fields(name):
    """A recipe's key would mean something that only the source knows."""
    cls = METHODS[name]
    documented = re.findall(r"^ +(\w+): ", inspect.getdoc(cls).partition("Attributes:")[2], re.M)
    assert documented == [f.name for f in dataclasses.fields(cls)]
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(cls))


@every_method
def test_imports_no_other_method(name):
    source = Path(inspect.getfile(METHODS[name])).read_text()
    others = {Path(inspect.getfile(c)).stem for c in METHODS.values()} - {name}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").rpartition(".")[2] not in others
            assert node.module != "limbeck.methods"


@every_method
def test_terms_are_one_finite_number_for_each_token(name):
    tokens = make_tokens()
    terms = build(name).loss(tokens, STEP)
    assert terms
    for value in terms.values():
        assert value.shape == (6,) and value.isfinite().all() and value.requires_grad


@every_method
def test_no_tokens_give_the_same_terms(name):
    """A rank whose answers are all empty would wait for the others for ever."""
    terms = build(name).loss(make_tokens(0), STEP)
    assert list(terms) == list(build(name).loss(make_tokens(2), STEP))
    assert all(v.shape == (0,) for v in terms.values())
    total(terms).backward()


@every_method
@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows_can_be_fed_in_chunks(name, size):
    """The trainer's memory saving would change the loss."""
    method, tokens = build(name), make_tokens(7)
    whole = method.loss(tokens, STEP)
    parts = [method.loss(tokens[slice(i, i + size)], STEP) for i in range(0, 7, size)]
    for term, value in whole.items():
        torch.testing.assert_close(torch.cat([p[term] for p in parts]), value, rtol=1e-13, atol=0)
    (once,) = torch.autograd.grad(total(whole), tokens.logits)
    (pieces,) = torch.autograd.grad(sum(total(p) for p in parts), tokens.logits)
    torch.testing.assert_close(pieces, once, rtol=1e-13, atol=1e-15)


@every_method
def test_a_token_moves_only_its_own_logits(name):
    tokens = make_tokens(5)
    value = torch.stack(list(build(name).loss(tokens, STEP).values())).sum(0)
    (grad,) = torch.autograd.grad(value[2], tokens.logits)
    assert grad[2].ne(0).any() and grad[[0, 1, 3, 4]].eq(0).all()


@every_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_student_stands_still(name, dtype):
    """Distillation would go on pushing a student that already is its teacher."""
    method = pure(name)
    if not method.imitates:
        pytest.skip("follows labels, not a teacher")
    logits = make_tokens().logits.detach().to(dtype)
    tokens = make_tokens(target=Dense(logits), logits=logits.clone().requires_grad_())
    terms = method.loss(tokens, STEP)
    tiny = 1e-6 if dtype == torch.float32 else 1e-14
    assert all(v.abs().max() <= tiny for v in terms.values())
    (grad,) = torch.autograd.grad(total(terms), tokens.logits)
    assert grad.abs().max() <= tiny


@every_method
def test_the_teacher_gets_no_gradient(name):
    tokens = make_tokens()
    dense = torch.randn(6, EVENTS, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(EVENTS, 4, dtype=torch.float64, requires_grad=True)
    for target in (Dense(dense), Projected(hidden, Head(weight))):
        total(build(name).loss(dataclasses.replace(tokens, target=target), STEP)).backward()
    assert dense.grad is hidden.grad is weight.grad is None
    assert tokens.logits.grad.ne(0).any()


@every_method
def test_says_whether_it_needs_a_teacher(name):
    tokens = dataclasses.replace(make_tokens(), target=None)
    method = build(name)
    if method.imitates:
        with pytest.raises(ValueError, match="teacher"):
            method.loss(tokens, STEP)
    else:
        assert method.loss(tokens, STEP)


@every_method
def test_state_survives_a_checkpoint(name):
    method = build(name)
    state = method.init()
    assert json.loads(json.dumps(state)) == state
    after = method.update({"kl": 0.5, "nll": 0.5, "jsd": 0.5, "reverse_kl": 0.5}, STEP)
    assert json.loads(json.dumps(dict(after))) == dict(after)


class Answers:
    """A lab of one row: as the data has it, as a bare prompt, as the teacher answers it."""

    def prompts(self):
        return [Sequence((2,))]

    def labelled(self):
        return [Sequence((2,), (3, 1), Author.DATA)]

    def answered_by_teacher(self):
        return [Sequence((2,), (4, 1), Author.TEACHER)]


@every_method
def test_prepares_the_text_that_it_says(name):
    method = build(name)
    wanted = Author.TEACHER if method.teacher_writes else Author.DATA
    assert [s.author for s in method.prepare(Answers())] == [wanted]
    if any(f.name == "source" for f in dataclasses.fields(method)):
        other = dataclasses.replace(method, source="teacher")
        assert other.teacher_writes
        assert [s.author for s in other.prepare(Answers())] == [Author.TEACHER]


def test_fully_on_policy_training_needs_no_answers():
    """Prompts without a completion would be thrown away, and a teacher asked for nothing."""
    for source in ("data", "teacher"):
        method = methods.GKD(lmbda=1.0, source=source)
        assert method.prepare(Answers()) == [Sequence((2,))] and not method.teacher_writes


@every_method
def test_keeps_the_prompts_and_their_order(name):
    """Answers would be trained on as answers to other questions."""
    rows = [Sequence((2, i), (3, 1), Author.DATA, example=i) for i in range(2, 7)]
    sources = Sources(student=Scripted(lambda prompt: (*prompt, 1)))
    for index in range(4):
        chosen = build(name).sequences(rows, sources, Step(index, 10))
        assert len(chosen) % len(rows) == 0
        each = len(chosen) // len(rows)
        assert [s.prompt for s in chosen] == [r.prompt for r in rows for _ in range(each)]
        for s in chosen:
            if s.author == Author.STUDENT:
                assert build(name).student_writes and s.completion == (*s.prompt, 1)
