"""A target between the student and its teacher."""

import torch
from torch import Tensor

from limbeck.divergences.lazy import LogProbs, log_probs, tempered


def interpolate(log_p: Tensor, log_q: Tensor, t: float | Tensor) -> Tensor:
    r"""The distribution a fraction t of the way from the student to the teacher.

    :math:`p_t \propto q^{1-t} p^t`, that is :math:`softmax((1 - t) z_q + t z_p)`: logits differ
    from log-probabilities by a constant, which the softmax does not see.

    Args:
        log_p: The teacher's log-probabilities, ``[..., events]``.
        log_q: The student's, same shape. No gradient flows through them here.
        t: In [0, 1]; a tensor ``[...]`` is one for each position. 0 is the student itself, where
            the gradient of `forward_kl` to it vanishes; 1 is the teacher.

    Returns:
        Log-probabilities of the target, ``[..., events]``; without gradient.

    Raises:
        ValueError: ``t`` is outside [0, 1].

    References:
        Shing et al. 2025, arXiv:2501.16937, eq. 2. The released code moves t in each process and
        during validation as well; here it is an argument.
    """
    t = torch.as_tensor(t, dtype=log_q.dtype, device=log_q.device)
    if bool(((t < 0) | (t > 1)).any()):
        raise ValueError(f"t must be in [0, 1], and is {t}")
    mixed = torch.lerp(_logits(log_q), _logits(log_p), t.unsqueeze(-1))
    return log_probs(mixed) if isinstance(log_q, LogProbs) else mixed.log_softmax(-1)


def _logits(log_probs: Tensor) -> Tensor:
    if isinstance(log_probs, LogProbs):
        return tempered(log_probs.logits.detach(), log_probs.temperature)
    return log_probs.detach()
