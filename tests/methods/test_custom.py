"""The method of a recipe's own making: the named methods out of their parts, and what is refused."""

import re

import pytest
import torch

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Scripted
from limbeck.methods import (
    ABKD,
    AKL,
    JSD,
    KD,
    SFT,
    TAID,
    TVD,
    Custom,
    DistiLLM,
    DistiLLM2,
    ImitKD,
    RevKD,
)
from limbeck.schedules import Linear
from limbeck.sources import Sources

from .labs import Answers, Together
from .texts import STEP, Z_P, Z_Q, N, Texts, check, forward, run, softmax

P, Q = softmax(Z_P), softmax(Z_Q)
SAME = {
    "kd": ({}, KD()),
    "softened": ({"temperature": 3.0}, KD(temperature=3.0)),
    "revkd": ({"divergence": "reverse_kl"}, RevKD()),
    "jsd": ({"divergence": "jensen_shannon", "beta": 0.3}, JSD(beta=0.3)),
    "jsd as it comes": ({"divergence": "jensen_shannon"}, JSD()),
    "skl": ({"divergence": "skew_kl", "alpha": 0.4}, DistiLLM(alpha=0.4)),
    "skl as it comes": ({"divergence": "skew_kl"}, DistiLLM()),
    "srkl": (
        {"divergence": "skew_reverse_kl", "alpha": 0.4},
        DistiLLM(divergence="skew_reverse_kl", alpha=0.4),
    ),
    "tvd": ({"divergence": "total_variation"}, TVD()),
    "akl": ({"divergence": "adaptive_kl", "mu": 0.7}, AKL(mu=0.7)),
    "ab": ({"divergence": "alpha_beta", "alpha": 0.2, "beta": 0.7}, ABKD(ce=0.0)),
    "abkd": ({"divergence": "alpha_beta", "alpha": 0.2, "beta": 0.7, "ce": 1.0}, ABKD()),
    "taid": ({"target": "interpolated", "t": 0.6}, TAID(t=0.6)),
    "sft": ({"target": "label", "divergence": "cross_entropy"}, SFT()),
}


@pytest.mark.parametrize("name", SAME)
def test_it_equals_the_method_of_that_name(name):
    fields, method = SAME[name]
    terms, grad = run(Custom(**fields))
    expected, their_grad = run(method)
    check(sum(terms.values()), sum(expected.values()))
    check(grad, their_grad)


def test_the_teachers_likeliest_token():
    """ImitKD's target, on text of the student."""
    method = Custom(target="argmax", divergence="cross_entropy", source="student")
    terms, grad = run(method, author=Author.STUDENT)
    expected, their_grad = run(ImitKD(), author=Author.STUDENT)
    check(terms["nll"], expected["nll"])
    check(grad, their_grad)


def test_contrastive_is_the_static_distillm2():
    """Up to the weights 1 - beta and beta."""
    pairs = Texts([3, 2, 4, 1], [Author.TEACHER, Author.STUDENT] * 2, seed=1)
    method = Custom(source="paired", divergence="contrastive", average="sequences")
    value, grad = pairs.objective(method)
    expected, their_grad = pairs.objective(DistiLLM2(curriculum=False, beta=0.5))
    check(0.5 * value, expected, rtol=1e-7)
    check(0.5 * grad, their_grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("uniform", torch.ones(N).double()),
        ("teacher_confidence", P.amax(-1)),
        ("teacher_entropy", -(P * P.log()).sum(-1) / torch.tensor(8.0).double().log()),
        ("disagreement", 0.5 * (P - Q).abs().sum(-1)),
    ],
)
def test_weights_are_numbers(name, weight):
    """A weight that carries gradient would be learned away."""
    terms, grad = run(Custom(weight=name))
    check(terms["forward_kl"], weight * forward(P, Q))
    check(grad, weight[:, None] * (Q - P))


def test_likelihood_stands_beside_the_weighed_divergence():
    """ce is of the text, whatever the teacher thinks of the token."""
    both = run(Custom(weight="disagreement", ce=0.3))
    alone, sft = run(Custom(weight="disagreement")), run(SFT())
    check(both[0]["nll"], 0.3 * sft[0]["nll"])
    check(both[1], alone[1] + 0.3 * sft[1])


REFUSED = [
    ({"beta": 0.5}, "forward_kl takes no beta; jensen_shannon, alpha_beta would"),
    ({"mu": 0.5}, "forward_kl takes no mu; adaptive_kl would"),
    ({"divergence": "reverse_kl", "alpha": 0.5}, "reverse_kl takes no alpha"),
    ({"t": 0.5}, "t is the place of an interpolated target"),
    ({"target": "interpolated"}, "t is the place of an interpolated target"),
    ({"target": "interpolated", "t": 1.5}, r"t must lie in \[0, 1\]"),
    ({"divergence": "alpha_beta", "alpha": 1.0}, "alpha_beta needs alpha and beta"),
    ({"divergence": "skew_kl", "alpha": 1.0}, "alpha must lie in"),
    ({"divergence": "jensen_shannon", "beta": 0.0}, "beta must lie in"),
    ({"divergence": "jensen_shannon", "beta": Linear(0.5, 1.5)}, "beta must lie in"),
    ({"divergence": "adaptive_kl", "mu": 1.0}, "mu must lie in"),
    ({"lmbda": 0.5}, "source has none of it"),
    ({"source": "teacher", "lmbda": 0.5}, "source has none of it"),
    ({"divergence": "contrastive"}, "two texts of one prompt"),
    ({"source": "paired"}, "treats both texts of a pair alike"),
    ({"source": "paired", "divergence": "contrastive", "lmbda": 0.5}, "leave lmbda at 1"),
    ({"target": "argmax"}, "one token goes with divergence: cross_entropy"),
    ({"divergence": "cross_entropy"}, "not target teacher with cross_entropy"),
    (
        {"target": "label", "divergence": "cross_entropy", "source": "student"},
        "only teaches it to go on as it is",
    ),
    ({"target": "label", "divergence": "cross_entropy", "ce": 1.0}, "ce and temperature"),
    ({"target": "argmax", "divergence": "cross_entropy", "temperature": 2.0}, "ce and temp"),
    (
        {"target": "label", "divergence": "cross_entropy", "weight": "disagreement"},
        "disagreement asks a teacher",
    ),
    ({"source": "books"}, "source must be one of data, teacher"),
    ({"target": "books"}, "target must be one of"),
    ({"divergence": "books"}, "divergence must be one of"),
    ({"weight": "books"}, "weight must be one of uniform"),
    ({"average": "books"}, "average must be one of"),
    ({"lmbda": 1.5}, "lmbda must lie in"),
    ({"temperature": 0.0}, "temperature must lie in"),
    ({"ce": -1.0}, "ce must lie in"),
]


@pytest.mark.parametrize(("fields", "reason"), REFUSED, ids=lambda x: str(x)[:40])
def test_what_makes_no_sense_is_refused_with_the_reason(fields, reason):
    with pytest.raises(ValueError, match=reason):
        Custom(**fields)


def sources():
    return Sources(student=Scripted(lambda prompt: (*prompt, 1)), together=Together())


ROWS = [Sequence((2, i), (3, 1), Author.DATA, example=i) for i in range(3)]


@pytest.mark.parametrize("source", ["data", "teacher", "student", "mixed", "interleaved", "paired"])
def test_whose_text(source):
    divergence = "contrastive" if source == "paired" else "forward_kl"
    method, asked = Custom(source=source, divergence=divergence), sources()
    chosen = method.sequences(ROWS, asked, STEP)
    prompts = [r.prompt for r in ROWS]
    if source == "paired":
        assert chosen[0::2] == ROWS
        chosen = chosen[1::2]
    assert [s.prompt for s in chosen] == prompts
    authors = {
        "data": Author.DATA,
        "teacher": Author.DATA,  # prepared before training
        "mixed": Author.BOTH,
        "interleaved": Author.BOTH,
    }
    assert {s.author for s in chosen} == {authors.get(source, Author.STUDENT)}
    assert method.writes_together == (source in ("mixed", "interleaved"))
    assert method.student_writes == (source not in ("data", "teacher"))
    wanted = {"mixed": [("mixed", 0.5)], "interleaved": [("interleaved", 25, 5)]}
    assert asked.together.asked == wanted.get(source, [])


@pytest.mark.parametrize("source", ["student", "mixed", "interleaved"])
def test_a_share_of_the_steps_is_on_given_text(source):
    method = Custom(source=source, lmbda=0.25)
    steps = [STEP.__class__(i, 400) for i in range(400)]
    given = sum(method.sequences(ROWS, sources(), s) == ROWS for s in steps)
    assert abs(given / 400 - 0.75) < 4 * (0.25 * 0.75 / 400) ** 0.5
    assert [s.author for s in method.prepare(Answers())] == [Author.DATA]
    assert method.prepare(Answers()) == Answers().labelled()
    assert Custom(source=source).prepare(Answers()) == Answers().prompts()


def test_what_it_says_of_itself():
    assert Custom(source="teacher").teacher_writes and not Custom().teacher_writes
    label = Custom(target="label", divergence="cross_entropy")
    assert not label.imitates and label.needs == "nothing"
    assert Custom().needs == "events" and Custom(temperature=2.0).needs == "logits"
    assert Custom(average="sequences").reduction == "sequences" and Custom().reduction == "tokens"
    assert re.search("student", Custom(source="student").cost)
