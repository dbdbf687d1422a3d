"""How much each token counts, from what teacher and student say there; numbers, no gradient.

Each takes log-probabilities ``[N, events]``, the teacher's first, and returns ``[N]`` in [0, 1].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def uniform(log_p: Tensor, log_q: Tensor) -> Tensor:
    """1 everywhere."""
    return log_p.new_ones(log_p.shape[:-1])


@torch.no_grad()
def teacher_confidence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The teacher's largest probability: listen where it is sure."""
    return log_p.amax(-1).exp()


@torch.no_grad()
def teacher_entropy(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The teacher's entropy over the largest possible: listen where there is a choice."""
    p = log_p.exp()
    nats = -torch.where(p > 0, p * log_p, 0.0).sum(-1)
    return nats / math.log(max(log_p.shape[-1], 2))


@torch.no_grad()
def disagreement(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The total variation distance: listen where the two differ."""
    return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)


WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "uniform": uniform,
    "teacher_confidence": teacher_confidence,
    "teacher_entropy": teacher_entropy,
    "disagreement": disagreement,
}
