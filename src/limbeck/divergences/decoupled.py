"""The forward KL in two parts: the label against the rest, and the rest among themselves."""

import torch
from torch import Tensor

from limbeck.divergences.dense import forward_kl


def decoupled_kl(
    log_p: Tensor, log_q: Tensor, label: Tensor, *, alpha: float, beta: float
) -> Tensor:
    r"""Decoupled KL, :math:`\alpha \, TCKD + \beta \, NCKD`.

    With the label y: :math:`TCKD = KL((p_y, 1 - p_y) \| (q_y, 1 - q_y))` and :math:`NCKD =
    KL(\hat p \| \hat q)`, the distributions over all other events, each renormalised. The forward
    KL is :math:`TCKD + (1 - p_y) NCKD`.

    Args:
        log_p: Target log-probabilities over the whole vocabulary, ``[..., V]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        label: The event y, ``[...]`` int64.
        alpha: Weight of the label against the rest.
        beta: Weight of the rest.

    Returns:
        Nats, ``[...]``, at least 0, and 0 where p equals q.

    References:
        Zhao et al. 2022, arXiv:2203.08679, eq. 7. ``log(1 - q_y)`` is a log-sum over the other
        events: the difference would be 0 where the student is sure. TAID's port divides by all
        positions, prompt and padding included.
    """
    y = label.unsqueeze(-1)
    is_label = torch.zeros_like(log_p, dtype=torch.bool).scatter_(-1, y, True)
    halves, others = [], []
    for log_probs in (log_p, log_q):
        rest = log_probs.masked_fill(is_label, -torch.inf)
        total = rest.logsumexp(-1, keepdim=True)
        halves.append(torch.cat([log_probs.gather(-1, y), total], -1))
        others.append(rest - total)
    return alpha * forward_kl(*halves) + beta * forward_kl(*others)
