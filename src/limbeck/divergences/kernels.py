"""The divergences in closed form: ``(log_p, log_q) -> value [...], slope [..., events]``.

The slope is the derivative of the value with respect to ``log_q``. Formulas, shapes and sources
stand with the public functions in ``dense.py``.
"""

import torch
from torch import Tensor


def forward_kl(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    p = log_p.exp()
    return _expect(p, log_p - log_q), -p


def reverse_kl(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    q = log_q.exp()
    log_ratio = log_q - log_p
    return _expect(q, log_ratio), _where(q, log_ratio + 1)


def jensen_shannon(log_p: Tensor, log_q: Tensor, beta: float | Tensor) -> tuple[Tensor, Tensor]:
    beta = _per_position(beta, log_p)
    p, q, log_m = log_p.exp(), log_q.exp(), _log_mixture(log_p, log_q, beta)
    b = beta.squeeze(-1)
    value = b * _expect(p, log_p - log_m) + (1 - b) * _expect(q, log_q - log_m)
    return value, (1 - beta) * _where(q, log_q - log_m)


def skew_kl(log_p: Tensor, log_q: Tensor, alpha: float | Tensor) -> tuple[Tensor, Tensor]:
    alpha = _per_position(alpha, log_p)
    p, log_m = log_p.exp(), _log_mixture(log_p, log_q, alpha)
    return _expect(p, log_p - log_m), -(1 - alpha) * _where(p, (log_q - log_m).exp())


def skew_reverse_kl(
    log_p: Tensor, log_q: Tensor, alpha: float | Tensor, detach_mixture: bool
) -> tuple[Tensor, Tensor]:
    alpha = _per_position(alpha, log_p)
    q = log_q.exp()
    log_ratio = log_q - _log_mixture(log_q, log_p, alpha)
    slope = log_ratio + 1
    if not detach_mixture:
        slope = slope - _where(alpha.expand_as(q), log_ratio.exp())
    return _expect(q, log_ratio), _where(q, slope)


def total_variation(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    q = log_q.exp()
    gap = q - log_p.exp()
    return 0.5 * gap.abs().sum(-1), 0.5 * q * gap.sign()


def adaptive_kl(log_p: Tensor, log_q: Tensor, mu: float) -> tuple[Tensor, Tensor]:
    p, q = log_p.exp(), log_q.exp()
    gap = (p - q).abs()
    order = log_p.argsort(dim=-1, descending=True, stable=True)
    head = p.gather(-1, order).cumsum(-1) <= mu
    head[..., 0] = True
    total = gap.sum(-1)
    w = (gap.gather(-1, order) * head).sum(-1) / total
    w = torch.where(total > 0, w, torch.full_like(w, 0.5)).unsqueeze(-1)
    (forward, forward_slope), (reverse, reverse_slope) = (
        forward_kl(log_p, log_q),
        reverse_kl(log_p, log_q),
    )
    head_share = w.squeeze(-1)
    # Where the target rules out what the student says, D is infinite even if 1 - w rounds to 0.
    tail = torch.where(reverse.isinf(), reverse, (1 - head_share) * reverse)
    value = _where(head_share, forward) + tail
    return value, w * forward_slope + (1 - w) * reverse_slope


def alpha_beta(log_p: Tensor, log_q: Tensor, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    a, b, s = alpha, beta, alpha + beta
    log_ratio = log_p - log_q
    if a == 0 and b == 0:
        return 0.5 * log_ratio.square().sum(-1), -log_ratio
    if a == 0:
        p_b, q_b = (b * log_p).exp(), (b * log_q).exp()
        value = (_where(q_b, -b * log_ratio) - q_b + p_b).sum(-1) / b**2
        return value, _where(q_b, -log_ratio)
    p_a, q_a, q_b = (a * log_p).exp(), (a * log_q).exp(), (b * log_q).exp()
    slope = q_b * (q_a - p_a) / a
    if b == 0:
        return (_where(p_a, a * log_ratio) - p_a + q_a).sum(-1) / a**2, slope
    if s == 0:
        return (-a * log_ratio + (a * log_ratio).exp() - 1).sum(-1) / a**2, slope
    mixed = (a * log_p + b * log_q).exp()
    sums = a / s * (s * log_p).exp() + b / s * (s * log_q).exp()
    return (sums - mixed).sum(-1) / (a * b), slope


def _where(weight: Tensor, factor: Tensor) -> Tensor:
    """``weight * factor``, and 0 where the weight is 0 even if the factor is infinite."""
    return torch.where(weight == 0, torch.zeros_like(weight), weight * factor)


def _expect(weight: Tensor, factor: Tensor) -> Tensor:
    return _where(weight, factor).sum(-1)


def _log_mixture(log_a: Tensor, log_b: Tensor, weight: Tensor) -> Tensor:
    """Logarithm of ``weight * a + (1 - weight) * b``, without leaving log space."""
    return torch.logaddexp(log_a + weight.log(), log_b + (-weight).log1p())


def _per_position(value: float | Tensor, like: Tensor) -> Tensor:
    """A parameter with the events axis added, to broadcast over it."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).unsqueeze(-1)
