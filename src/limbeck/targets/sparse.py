"""What a cache can hold of a teacher: its likeliest tokens, or samples of it.

The events are the kept tokens and one more, *all the others*. Over fewer events no divergence of
the family is larger (data-processing inequality), so what is minimised is a lower bound of the
divergence over the vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limbeck.targets.base import Target


@dataclass(frozen=True)
class TopK(Target):
    """The teacher's k likeliest tokens and the mass of the others.

    Attributes:
        ids: ``[N, k]`` integers, no id twice in a row.
        log_p: Their log-probabilities, ``[N, k]``.
        log_rest: Log-probability of all other tokens together, ``[N]``; `-inf` where k = V.
    """

    ids: Tensor
    log_p: Tensor
    log_rest: Tensor

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`; k + 1 events, or V where every token was kept."""
        _refuse_temperature(temperature)
        log_p = self.log_p.to(logits.dtype)
        log_q = event_log_probs(logits, self.ids)
        if self.ids.shape[-1] == logits.shape[-1]:
            return log_p, log_q[..., :-1]
        return torch.cat([log_p, self.log_rest.to(logits.dtype)[..., None]], -1), log_q

    def __getitem__(self, rows: slice) -> "TopK":
        return TopK(self.ids[rows], self.log_p[rows], self.log_rest[rows])


@dataclass(frozen=True)
class Sampled(Target):
    """An unbiased estimate of the teacher's distribution, at the tokens that were drawn.

    Behind a softmax the gradient of the forward KL is q - p, linear in p; with an estimate whose
    expectation is p it is right on average, over draws and so over tokens (arXiv:2503.16870). No
    other divergence here is linear in p.

    Attributes:
        ids: ``[N, E]`` integers; empty places repeat the row's first id.
        mass: Estimated probability, ``[N, E]``, 0 in empty places; rows sum to 1.
    """

    ids: Tensor
    mass: Tensor

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`; the last event is every token that was not drawn, with p = 0."""
        _refuse_temperature(temperature)
        log_p = self.mass.to(logits.dtype).log()
        nothing = log_p.new_full((*log_p.shape[:-1], 1), -torch.inf)
        log_q = event_log_probs(logits, self.ids, self.mass == 0)
        return torch.cat([log_p, nothing], -1), log_q

    def __getitem__(self, rows: slice) -> "Sampled":
        return Sampled(self.ids[rows], self.mass[rows])


def event_log_probs(logits: Tensor, ids: Tensor, empty: Tensor | None = None) -> Tensor:
    """Log-probabilities of some tokens, and of all the others together.

    The mass of the others is summed over them, with their own maximum: ``1 - sum of the kept``
    would cancel where it matters, at a confident student. One exponential of the vocabulary is
    made; the backward pass scales it.

    Args:
        logits: ``[n, V]``.
        ids: ``[n, E]``.
        empty: Places of ``ids`` that count for nothing and get `-inf`; their ids are repeats.

    Returns:
        ``[n, E + 1]``, differentiable with respect to ``logits``.
    """
    log_q: Tensor = _EventLogProbs.apply(logits, ids.long(), empty)
    return log_q


class _EventLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, ids: Tensor, empty: Tensor | None) -> Tensor:
        kept = logits.gather(-1, ids)
        if empty is not None:
            kept = kept.masked_fill(empty, -torch.inf)
        others = logits.scatter(-1, ids, -torch.inf)
        top = others.amax(-1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)
        others = others.sub_(top).exp_()
        total = others.sum(-1, keepdim=True)
        events = torch.cat([kept, top + total.log()], -1)
        log_z = events.logsumexp(-1, keepdim=True)
        log_q = events - log_z
        ctx.save_for_backward(ids, empty, others, total, (top - log_z).exp(), log_q)
        return log_q

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        ids, empty, others, total, scale, log_q = ctx.saved_tensors
        if empty is not None:
            grad = grad.masked_fill(torch.nn.functional.pad(empty, (0, 1)), 0.0)
        everything = grad.sum(-1, keepdim=True)
        rest = grad[..., -1:] / total.clamp(min=torch.finfo(total.dtype).tiny)
        # `others` is 0 at the kept ids, and an empty place adds 0 to the id that it repeats.
        result = others * (rest - everything * scale)
        kept = grad[..., :-1] - everything * log_q[..., :-1].exp()
        return result.scatter_add_(-1, ids, kept), None, None


def _refuse_temperature(temperature: float) -> None:
    if temperature != 1.0:
        raise ValueError(
            f"a few tokens do not tell the distribution at temperature {temperature:g}; "
            "only hidden states or the teacher itself do"
        )
