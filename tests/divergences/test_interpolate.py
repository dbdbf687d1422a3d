"""The target of TAID: between student and teacher, and a constant for autograd."""

import pytest
import torch

from limbeck.divergences import Head, forward_kl, interpolate, linear_divergence, log_probs


def draw(seed=0, n=4, v=7):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(2, n, v, generator=g, dtype=torch.float64) * 2
    return z[0], z[1].requires_grad_()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, torch.tensor([0.0, 0.1, 0.6, 1.0])])
def test_it_is_the_softmax_of_interpolated_logits(t, temperature):
    z_p, z_q = draw()
    w = torch.as_tensor(t, dtype=z_p.dtype).reshape(-1, 1)
    expected = (((1 - w) * z_q + w * z_p) / temperature).log_softmax(-1).detach()
    lazy = [log_probs(z, temperature) for z in (z_p, z_q)]
    dense = [(z / temperature).log_softmax(-1) for z in (z_p, z_q)]
    for pair in (lazy, dense):
        found = interpolate(*pair, t)
        assert not found.requires_grad
        torch.testing.assert_close(found + 0, expected)


def gradient(t, fused):
    z_p, z_q = draw()
    eye = torch.eye(7, dtype=torch.float64)

    def taid(log_p, log_q):
        return forward_kl(interpolate(log_p, log_q, t), log_q)

    if fused:
        loss = linear_divergence(z_p, Head(eye), z_q, Head(eye), taid)
    else:
        loss = taid(z_p.log_softmax(-1), z_q.log_softmax(-1)).sum()
    return torch.autograd.grad(loss, z_q)[0]


@pytest.mark.parametrize("fused", [False, True])
def test_the_gradient_vanishes_at_the_student_and_is_the_teachers_at_the_end(fused):
    z_p, z_q = draw()
    assert gradient(0.0, fused).abs().max() < 1e-15
    torch.testing.assert_close(gradient(1.0, fused), (z_q.softmax(-1) - z_p.softmax(-1)).detach())
    between = (0.6 * z_q + 0.4 * z_p).softmax(-1)
    torch.testing.assert_close(gradient(0.4, fused), (z_q.softmax(-1) - between).detach())


@pytest.mark.parametrize("t", [-0.1, 1.1, torch.tensor([0.5, 2.0, 0.5, 0.5])])
def test_t_is_a_fraction(t):
    z_p, z_q = draw()
    with pytest.raises(ValueError, match="t must be in"):
        interpolate(z_p.log_softmax(-1), z_q.log_softmax(-1), t)
