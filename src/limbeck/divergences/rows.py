r"""The divergences straight from logits: ``(p, q) -> value [n], gradient [n, V]``.

``kernels.py`` has the formulas on log-probabilities. Here the softmax is part of the formula, so
that a block of rows makes the fewest trips through memory: an exponential costs as much as five
additions, so each side has exactly one (:math:`\log p = z - \log \sum e^z` needs none). The
gradient is with respect to the tempered student logits: for :math:`u = \partial D / \partial q`
it is :math:`q (u - \sum_v q_v u_v)`.

Inputs are left as they are; all work happens in a handful of temporaries that fit into the cache
when the caller cuts blocks for it. Where a target rules out events (``-inf`` logits), products
``0 * inf`` make the value NaN, and the caller turns to ``kernels.py``, which knows better.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.linalg import vecdot

Result = tuple[Tensor, Tensor]


class Side(NamedTuple):
    """A distribution: its tempered logits, its probabilities ``[n, V]``, its normaliser ``[n, 1]``."""

    logits: Tensor
    probs: Tensor
    lse: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> "Side":
        """Softmax of logits."""
        probs = logits.softmax(-1)
        # The largest logit has the largest probability, so both maxima are of one event.
        lse = logits.amax(-1, keepdim=True) - probs.amax(-1, keepdim=True).log()
        return cls(logits, probs, lse)

    def log_over(self, log_m: Tensor) -> Tensor:
        """Log of these probabilities over others."""
        return (self.logits - log_m).sub_(self.lse)


def forward_kl(p: Side, q: Side) -> Result:
    value = vecdot(p.probs, p.logits - q.logits) - (p.lse - q.lse).squeeze(-1)
    return value, q.probs.sub_(p.probs)


def reverse_kl(p: Side, q: Side) -> Result:
    ratio = (q.logits - p.logits).sub_(q.lse - p.lse)
    value = vecdot(q.probs, ratio)
    return value, ratio.sub_(value.unsqueeze(-1)).mul_(q.probs)


def jensen_shannon(p: Side, q: Side, beta: float | Tensor) -> Result:
    beta = _per_row(beta, q)
    log_m = _mixture(q.probs, p.probs, beta).log_()
    to_p = vecdot(p.probs, p.log_over(log_m)).unsqueeze(-1)
    ratio = q.log_over(log_m)
    to_q = vecdot(q.probs, ratio).unsqueeze(-1)
    value = beta * to_p + (1 - beta) * to_q
    return value.squeeze(-1), ratio.sub_(to_q).mul_(q.probs.mul_(1 - beta))


def skew_kl(p: Side, q: Side, alpha: float | Tensor) -> Result:
    alpha = _per_row(alpha, q)
    m = _mixture(q.probs, p.probs, alpha)
    share = torch.div(p.probs, m)  # p / m, at most 1 / alpha
    value = vecdot(p.probs, p.log_over(m.log_()))
    share.mul_(q.probs)
    total = share.sum(-1, keepdim=True)
    return value, q.probs.mul_(total).sub_(share).mul_(1 - alpha)


def skew_reverse_kl(p: Side, q: Side, alpha: float | Tensor, detach_mixture: bool) -> Result:
    alpha = _per_row(alpha, q)
    m = _mixture(p.probs, q.probs, alpha)
    share = None if detach_mixture else torch.div(q.probs, m).mul_(alpha)
    ratio = q.log_over(m.log_())
    value = vecdot(q.probs, ratio)
    if share is not None:
        ratio.sub_(share)
    return value, ratio.sub_(vecdot(q.probs, ratio).unsqueeze(-1)).mul_(q.probs)


def total_variation(p: Side, q: Side) -> Result:
    gap = q.probs - p.probs
    value = 0.5 * gap.abs().sum(-1)
    sign = gap.sign_()
    mean = vecdot(q.probs, sign).unsqueeze(-1)
    return value, sign.sub_(mean).mul_(0.5).mul_(q.probs)


def alpha_beta(p: Side, q: Side, alpha: float, beta: float) -> Result:
    """Off the limits only; ``kernels.py`` has those."""
    both = alpha + beta
    log_p, log_q = p.logits - p.lse, q.logits - q.lse
    p_a, q_a, q_b = ((w * x).exp_() for w, x in ((alpha, log_p), (alpha, log_q), (beta, log_q)))
    mixed = vecdot(p_a, q_b)
    # p^(a+b) = p^a p^b would need a fourth exponential; through the logarithm it is one as well.
    sums = alpha / both * log_p.mul_(both).exp_().sum(-1) + beta / both * vecdot(q_a, q_b)
    slope = q_a.sub_(p_a).mul_(q_b).div_(alpha)
    total = slope.sum(-1, keepdim=True)
    return (sums - mixed) / (alpha * beta), slope.sub_(q.probs.mul_(total))


def adaptive_kl(p: Side, q: Side, mu: float) -> Result:
    gap = (p.probs - q.probs).abs_()
    total = gap.sum(-1)
    w = vecdot(gap, head_of_mass(p.probs, mu)) / total
    w = torch.where(total > 0, w, 0.5)
    ratio = (q.logits - p.logits).sub_(q.lse - p.lse)
    forward, reverse = -vecdot(p.probs, ratio), vecdot(q.probs, ratio)
    value = w * forward + (1 - w) * reverse
    w, reverse = w.unsqueeze(-1), reverse.unsqueeze(-1)
    # w (q - p) + (1 - w) q (ratio - reverse)
    tail = ratio.sub_(reverse).mul_(1 - w).add_(w).mul_(q.probs)
    return value, tail.sub_(p.probs.mul_(w))


def head_of_mass(probs: Tensor, mu: float) -> Tensor:
    """The likeliest events whose probabilities sum to at most ``mu``, and the top one anyway.

    As sorting and summing would choose them (of equal events, the first ones), at a fifth of the
    price of a sort: bisection finds the lowest probability that still belongs to the head.

    Args:
        probs: ``[n, V]``.
        mu: Inside (0, 1).

    Returns:
        1 for the head and 0 for the rest, ``[n, V]`` in the dtype of ``probs``: products with
        booleans are several times slower.
    """
    bits = {torch.float32: torch.int32, torch.float64: torch.int64}[probs.dtype]
    # Positive floats are ordered like their bits, so halving an interval of integers ends at one
    # float. Events of at most (1 - mu) / 2V cannot reach into the head all together.
    top = probs.amax(-1, keepdim=True)
    low = torch.full_like(top, (1 - mu) / (2 * probs.shape[-1])).minimum(top).view(bits)
    high = top.view(bits)
    above = torch.empty_like(probs)
    gap = int((high - low).max()) if len(probs) else 0
    for _ in range(gap.bit_length()):
        middle = (low + high) // 2
        torch.gt(probs, middle.view(probs.dtype), out=above)
        inside = vecdot(probs, above).unsqueeze(-1) <= mu
        high, low = torch.where(inside, middle, high), torch.where(inside, low, middle)
    last = high.view(probs.dtype)
    head = torch.gt(probs, last, out=above)
    # Of the events at the threshold itself, as many as still fit; of a top event alone, one.
    room = mu - vecdot(probs, head).unsqueeze(-1)
    fit = torch.where(last == top, (room / last).clamp(min=1), room / last).floor()
    if bool((fit >= 1).any()):
        level = probs == last
        head += level & (level.cumsum(-1) <= fit)
    return head


def _mixture(a: Tensor, b: Tensor, weight_of_b: Tensor) -> Tensor:
    """Mixture of probabilities; where both vanish, the smallest number that has a logarithm."""
    return torch.lerp(a, b, weight_of_b).clamp_(min=torch.finfo(a.dtype).tiny)


def _per_row(value: float | Tensor, q: Side) -> Tensor:
    """A parameter as ``[n, 1]``, or ``[1]`` where it is one for all."""
    return torch.as_tensor(value, dtype=q.probs.dtype, device=q.probs.device).unsqueeze(-1)
