"""The decoupled KL against its definition, and the identities that tie divergences together."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.divergences import decoupled_kl, forward_kl, reverse_kl

from . import reference
from .test_dense import logit_gradient, logit_pairs, random_pair


def parts(log_p, log_q, y):
    """TCKD and NCKD of one position, in loops."""
    p, q = ([reference.exp(x) for x in logs] for logs in (log_p, log_q))
    rest_p, rest_q = (sum(x for v, x in enumerate(d) if v != y) for d in (p, q))

    def term(a, b):
        return a * reference.log(a / b) if a > 0 else 0.0

    tckd = term(p[y], q[y]) + term(rest_p, rest_q)
    nckd = sum(term(p[v] / rest_p, q[v] / rest_q) for v in range(len(p)) if v != y)
    return tckd, nckd


def labels(log_p, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, log_p.shape[-1], log_p.shape[:-1], generator=g)


@given(logit_pairs(), st.integers(0, 9), st.sampled_from([(1, 8), (0, 1), (1, 0), (0.3, 0.7)]))
def test_value_is_the_definition(logits, seed, weights):
    alpha, beta = weights
    log_p, log_q = (x.log_softmax(-1) for x in logits)
    label = labels(log_p, seed)
    expected = [
        sum(w * x for w, x in zip(weights, parts(p, q, y), strict=True))
        for p, q, y in zip(log_p.tolist(), log_q.tolist(), label.tolist(), strict=True)
    ]
    actual = decoupled_kl(log_p, log_q, label, alpha=alpha, beta=beta)
    torch.testing.assert_close(
        actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-10
    )


@given(logit_pairs(), st.integers(0, 9))
def test_the_forward_kl_is_its_two_parts(logits, seed):
    """FKL = TCKD + (1 - p_y) NCKD, value and gradient."""
    log_p = logits[0].log_softmax(-1)
    label = labels(log_p, seed)
    rest = 1 - log_p.exp().gather(-1, label[:, None])[:, 0]

    def both(p, q):
        tckd, nckd = (
            decoupled_kl(p, q, label, alpha=a, beta=b) for a, b in ((1.0, 0.0), (0.0, 1.0))
        )
        return tckd + rest * nckd

    log_q = logits[1].log_softmax(-1)
    torch.testing.assert_close(both(log_p, log_q), forward_kl(log_p, log_q), rtol=1e-9, atol=1e-12)
    actual, expected = (logit_gradient(f, log_p, logits[1]) for f in (both, forward_kl))
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (1.0, 0.0), (0.0, 1.0)])
def test_gradcheck(alpha, beta):
    log_p, log_q = random_pair(3)
    label = labels(log_p, 1)

    def loss(z):
        return decoupled_kl(log_p, z.log_softmax(-1), label, alpha=alpha, beta=beta)

    assert torch.autograd.gradcheck(loss, log_q.clone().requires_grad_())


def test_each_part_is_blind_to_the_other():
    """NCKD knows nothing of the label's share, TCKD nothing of how the rest is shared."""
    log_p, log_q = random_pair(5)
    label = labels(log_p, 2)
    shift = torch.zeros_like(log_q).scatter_(-1, label[:, None], 3.0)
    more = (log_q + shift).log_softmax(-1)
    nckd = [decoupled_kl(log_p, q, label, alpha=0.0, beta=1.0) for q in (log_q, more)]
    torch.testing.assert_close(*nckd, rtol=1e-10, atol=1e-12)
    one = torch.zeros_like(log_q, dtype=torch.bool).scatter_(-1, label[:, None], True)
    rest = log_q.masked_fill(one, -torch.inf).logsumexp(-1, keepdim=True)
    even = torch.where(one, log_q, rest - math.log(log_q.shape[-1] - 1))
    tckd = [decoupled_kl(log_p, q, label, alpha=1.0, beta=0.0) for q in (log_q, even)]
    torch.testing.assert_close(*tckd, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sure_student_stays_finite(dtype):
    """log(1 - q_y) by difference is log 0 in float32, from a gap of 17 nats on."""
    z = torch.zeros(1, 5, dtype=dtype)
    z[0, 2] = 60.0
    z.requires_grad_()
    label = torch.tensor([2])
    log_p = torch.tensor([[0.0, 1.0, 2.0, 0.5, 0.0]], dtype=dtype).log_softmax(-1)
    value = decoupled_kl(log_p, z.log_softmax(-1), label, alpha=1.0, beta=1.0)
    value.sum().backward()
    exact = sum(
        parts(log_p[0].double().tolist(), z[0].detach().double().log_softmax(-1).tolist(), 2)
    )
    assert float(value.detach()) == pytest.approx(exact, rel=1e-5)
    assert z.grad.isfinite().all() and z.grad[0, 2] > 0


def test_two_events_have_no_rest():
    log_p, log_q = random_pair(1, (4, 2))
    label = labels(log_p, 0)
    assert decoupled_kl(log_p, log_q, label, alpha=0.0, beta=1.0).abs().max() < 1e-12
    tckd = decoupled_kl(log_p, log_q, label, alpha=1.0, beta=5.0)
    torch.testing.assert_close(tckd, forward_kl(log_p, log_q))


@pytest.mark.parametrize("seed", range(3))
def test_the_score_function_estimates_the_reverse_kl(seed):
    """E_q[(log q_v - log p_v) grad log q_v] = grad KL(q || p), summed over the vocabulary."""
    log_p, log_q = random_pair(seed)
    z = log_q.clone().requires_grad_()
    log = z.log_softmax(-1)
    ((log_q.exp() * (log_q - log_p)) * log).sum().backward()
    expected = logit_gradient(reverse_kl, log_p, log_q)
    torch.testing.assert_close(z.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("temperature", [50.0, 500.0])
def test_a_hot_kl_matches_logits(temperature):
    """T^2 KL(p_T || q_T) tends to half the variance of the logit difference, over the events."""
    z_p, z_q = random_pair(7)
    hot = [(z / temperature).log_softmax(-1) for z in (z_p, z_q)]
    gap = z_p - z_q
    expected = 0.5 * (gap - gap.mean(-1, keepdim=True)).square().mean(-1)
    actual = temperature**2 * forward_kl(*hot)
    torch.testing.assert_close(actual, expected, rtol=10 / temperature, atol=0)
