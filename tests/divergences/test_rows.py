"""Divergences straight from logits equal the same divergences on log-probabilities."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck import divergences as ours
from limbeck.divergences import log_probs
from limbeck.divergences.rows import head_of_mass

PER_ROW = torch.tensor([0.0, 0.1, 0.5, 0.99], dtype=torch.float64)
INSIDE = torch.tensor([0.01, 0.1, 0.5, 0.99], dtype=torch.float64)
CASES = {
    "forward_kl": ours.forward_kl,
    "reverse_kl": ours.reverse_kl,
    "jensen_shannon": partial(ours.jensen_shannon, beta=0.3),
    "jensen_shannon by row": partial(ours.jensen_shannon, beta=INSIDE),
    "skew_kl": partial(ours.skew_kl, alpha=0.1),
    "skew_kl 0": partial(ours.skew_kl, alpha=0.0),
    "skew_kl by row": partial(ours.skew_kl, alpha=PER_ROW),
    "skew_reverse_kl": partial(ours.skew_reverse_kl, alpha=0.1),
    "skew_reverse_kl 0": partial(ours.skew_reverse_kl, alpha=0.0),
    "skew_reverse_kl by row": partial(ours.skew_reverse_kl, alpha=PER_ROW),
    "skew_reverse_kl detached": partial(ours.skew_reverse_kl, alpha=PER_ROW, detach_mixture=True),
    "total_variation": ours.total_variation,
    "adaptive_kl": partial(ours.adaptive_kl, mu=0.5),
    "adaptive_kl 0.9": partial(ours.adaptive_kl, mu=0.9),
    **{
        f"alpha_beta {a} {b}": partial(ours.alpha_beta, alpha=a, beta=b)
        for a, b in [(0.2, 0.7), (1, 0), (0, 1), (0, 0), (0.5, -0.5), (1, 1), (-0.3, 0.8)]
    },
}
every_case = pytest.mark.parametrize("name", CASES)


def both(divergence, z_p, z_q, temperature=1.0):
    """Value and gradient for the student's logits, lazily and on dense log-probabilities."""
    results = []
    for make in (log_probs, lambda z, t: (z / t).log_softmax(-1)):
        leaf = z_q.clone().requires_grad_()
        value = divergence(make(z_p, temperature), make(leaf, temperature))
        coefficient = torch.arange(1, len(z_p) + 1, dtype=z_p.dtype)
        results.append((value.detach(), torch.autograd.grad((coefficient * value).sum(), leaf)[0]))
    return results


def draw(v, spread, seed, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return [spread * torch.randn(4, v, generator=g, dtype=torch.float64).to(dtype) for _ in "pq"]


@every_case
@given(
    v=st.integers(1, 40),
    spread=st.sampled_from([0.1, 1.0, 10.0]),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([1.0, 2.5]),
)
def test_equals_the_log_space_form(name, v, spread, seed, temperature):
    (value, gradient), (expected, slope) = both(CASES[name], *draw(v, spread, seed), temperature)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(gradient, slope, rtol=1e-9, atol=1e-12)


@every_case
def test_float32_is_as_exact_as_the_log_space_form(name):
    z_p, z_q = draw(3000, 2.0, 0)
    (_, (truth, slope)) = both(CASES[name], z_p, z_q)
    for value, gradient in both(CASES[name], z_p.float(), z_q.float()):
        torch.testing.assert_close(value.double(), truth, rtol=3e-5, atol=1e-6)
        assert (gradient - slope).abs().max() <= 1e-5 * slope.abs().max()


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits(name, dtype):
    """A model that is certain would end the training with NaN."""
    z_p, z_q = draw(9, 1e4, 3, dtype)
    if name.startswith("alpha_beta") and name not in ("alpha_beta 0.2 0.7", "alpha_beta 1 1"):
        pytest.skip("powers and logarithms of vanished probabilities are infinite by definition")
    (value, gradient), (expected, slope) = both(CASES[name], z_p, z_q)
    assert value.isfinite().all() and gradient.isfinite().all()
    torch.testing.assert_close(value, expected, rtol=2e-6, atol=2e-2)
    torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=2e-2)


@pytest.mark.parametrize("name", ["forward_kl", "jensen_shannon", "skew_kl", "total_variation"])
def test_events_that_the_target_rules_out(name):
    """A masked vocabulary has logits of -inf, and 0 * inf must be 0."""
    z_p, z_q = draw(6, 1.0, 1)
    z_p[:, 2:4] = -torch.inf
    (value, gradient), (expected, slope) = both(CASES[name], z_p, z_q)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, slope)
    assert value.isfinite().all() and gradient.isfinite().all()


def test_what_the_target_rules_out_and_the_student_says_is_infinite():
    z_p, z_q = draw(6, 1.0, 1)
    z_p[:, 2] = -torch.inf
    value = ours.reverse_kl(log_probs(z_p), log_probs(z_q))
    assert value.isposinf().all()


@every_case
def test_the_same_distribution_is_at_no_distance(name):
    z, _ = draw(50, 3.0, 2)
    # A softmax does not see a shift, but the sign of what rounding leaves of it is a step.
    shift = 0.0 if name == "total_variation" else 5.0
    (value, gradient), _ = both(CASES[name], z, z + shift)
    torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-13)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)


@every_case
def test_logits_stay_as_they_are(name):
    """Another term of the same loss reads them too."""
    z_p, z_q = draw(20, 1.0, 4)
    before = z_p.clone(), z_q.clone()
    both(CASES[name], z_p, z_q)
    assert z_p.equal(before[0]) and z_q.equal(before[1])


@given(
    v=st.integers(1, 60),
    mu=st.sampled_from([0.01, 0.3, 0.5, 0.9, 0.99]),
    levels=st.sampled_from([1, 2, 5, 1000]),
    spread=st.sampled_from([0.5, 5.0, 40.0]),
    seed=st.integers(0, 99),
)
def test_the_head_is_what_sorting_finds(v, mu, levels, spread, seed):
    """With few levels many events tie, as they do in half precision."""
    g = torch.Generator().manual_seed(seed)
    z = spread * torch.randint(0, levels, (3, v), generator=g).double() / levels
    probs = z.softmax(-1)
    order = probs.argsort(dim=-1, descending=True, stable=True)
    mass = probs.gather(-1, order).cumsum(-1)
    expected = torch.zeros_like(probs, dtype=torch.bool).scatter(-1, order, mass <= mu)
    expected.scatter_(-1, order[:, :1], True)
    doubtful = ((mass - mu).abs() < 1e-12).any(-1)  # where rounding decides
    assert head_of_mass(probs, mu)[~doubtful].equal(expected[~doubtful].double())
