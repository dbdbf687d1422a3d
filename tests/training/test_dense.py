"""Fifty steps through the fused loss end at the weights that plain autograd ends at.

In float64: two orders of summation in float32 drift apart by 1e-4 in as many steps.
"""

import functools

import pytest
import torch

from limbeck.data import collate
from limbeck.divergences import jensen_shannon, skew_kl, skew_reverse_kl
from limbeck.methods import KD

from .models import PAD
from .world import make_rows, make_student, make_teacher, make_trainer, weights

STEPS = 50


def plain_kl(log_p, log_q):
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def plain_mixture(log_p, log_q, weight):
    p, q = log_p.exp(), log_q.exp()
    return (weight * p + (1 - weight) * q).log()


def plain_jsd(log_p, log_q):
    m = plain_mixture(log_p, log_q, 0.3)
    return 0.3 * plain_kl(log_p, m) + 0.7 * plain_kl(log_q, m)


def renyi(log_p, log_q):
    """A divergence that the package does not know."""
    return -2 * torch.logsumexp(0.5 * (log_p + log_q), dim=-1)


CASES = {  # ours, the same in plain autograd, temperature
    "jsd": (functools.partial(jensen_shannon, beta=0.3), plain_jsd, 1.0),
    "skew, two terms": (
        lambda p, q: 0.5 * skew_kl(p, q, alpha=0.1) + skew_reverse_kl(p, q, alpha=0.2),
        lambda p, q: (
            0.5 * plain_kl(p, plain_mixture(p, q, 0.1)) + plain_kl(q, plain_mixture(p, q, 0.8))
        ),
        2.0,
    ),
    "a user's own": (renyi, renyi, 1.0),
}


class Imitation(KD):
    """Any divergence, at any temperature."""

    def __init__(self, divergence, temperature):
        super().__init__(temperature=temperature)
        object.__setattr__(self, "divergence", divergence)

    def loss(self, tokens, step):
        return {"d": self.divergence(*tokens.pair(self.temperature))}


def dense(divergence, temperature):
    """Full logits of every position, the loss picked out of them, autograd, SGD."""
    student, teacher = make_student(dtype=torch.float64), make_teacher(dtype=torch.float64)
    batch = collate(make_rows(), PAD)
    where = batch["labels"][:, 1:] != -100
    inputs = {k: batch[k] for k in ("input_ids", "attention_mask", "position_ids")}
    optimiser = torch.optim.SGD(student.parameters(), lr=0.05)

    def log_probs(model):
        return (model(**inputs).logits[:, :-1][where] / temperature).log_softmax(-1)

    for _ in range(STEPS):
        optimiser.zero_grad()
        divergence(log_probs(teacher).detach(), log_probs(student)).mean().backward()
        optimiser.step()
    return weights(student)


@pytest.mark.parametrize("name", CASES)
def test_the_same_weights(tmp_path, name):
    ours, plain, temperature = CASES[name]
    student, teacher = make_student(dtype=torch.float64), make_teacher(dtype=torch.float64)
    before = weights(student)
    method = Imitation(ours, temperature)
    make_trainer(tmp_path, method, student, teacher, max_steps=STEPS).train()
    for key, expected in dense(plain, temperature).items():
        torch.testing.assert_close(student.state_dict()[key], expected, rtol=1e-9, atol=1e-9)
        assert not torch.allclose(before[key], expected, rtol=1e-3, atol=1e-3) or "norm" in key
