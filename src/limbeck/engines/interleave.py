"""Interleaved sampling: a block of the student's proposals, one look of the teacher at all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.engines.base import Interleaved, Sampling
from limbeck.engines.decode import check_finite
from limbeck.engines.forward import Forward
from limbeck.engines.sampler import distribution, inverse_cdf


@dataclass(frozen=True)
class Side:
    """One of the two that write.

    Attributes:
        forward: What it has read of the texts.
        sampling: How it chooses.
        uniforms: What decides about its tokens, ``[B, max_new_tokens]``.
    """

    forward: Forward
    sampling: Sampling
    uniforms: Tensor


@dataclass
class Draft:
    """The completions of a batch, as far as they are written.

    Attributes:
        tokens: ``[B, max_new_tokens]``, as all that follows.
        log_probs: Of each token, in nats.
        by_student: Whether the student wrote it.
        lengths: How many tokens each row has, ``[B]``.
    """

    tokens: Tensor
    log_probs: Tensor
    by_student: Tensor
    lengths: Tensor

    def texts(self, ends: Sequence[int]) -> list[Interleaved]:
        """The rows, each as long as it is."""
        columns = (self.tokens, self.log_probs, self.by_student, self.lengths)
        return [
            Interleaved(
                tuple(tokens[:length]),
                tuple(log_probs[:length]),
                tokens[length - 1] in ends,
                tuple(by_student[:length]),
            )
            for tokens, log_probs, by_student, length in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]


@torch.no_grad()
def interleave(student: Side, teacher: Side, k: int, block: int, ends: Sequence[int]) -> Draft:
    """Continue a batch of prompts until each has ended or is full; see `Pair.interleaved`.

    A token is decided by numbers of its place, whichever block it comes to stand in. What is
    discarded behind a refused token says nothing about the numbers that it was drawn with, so they
    serve again. The size of a block is a matter of speed alone.

    Both models have read all of a row but its last token when a round begins, and all but the
    last proposal when it is checked.

    Raises:
        LimbeckError: The logits define no distribution.
    """
    device, (count, limit) = student.forward.device, student.uniforms.shape
    stops = torch.tensor(list(ends), dtype=torch.long, device=device)
    draft = Draft(
        torch.zeros((count, limit), dtype=torch.long, device=device),
        torch.zeros((count, limit), device=device),
        torch.zeros((count, limit), dtype=torch.bool, device=device),
        torch.zeros(count, dtype=torch.long, device=device),
    )
    rows = torch.arange(count, device=device)  # which prompts the batch still holds
    while len(rows):
        size = min(block, limit - int(draft.lengths[rows].min()))
        places = draft.lengths[rows][:, None] + torch.arange(size, device=device)
        numbers = rows[:, None], places.clamp(max=limit - 1)  # a row may be full before the block
        proposals, q = propose(student, student.uniforms[numbers])
        teacher.forward.append(proposals[:, :-1])
        logits = teacher.forward.logits(size).to(device)
        checked = check(logits, q, proposals, k, teacher.sampling, teacher.uniforms[numbers])
        token, log_prob, accepted = (values.unflatten(0, proposals.shape) for values in checked)

        over = ~accepted | torch.isin(token, stops) | (places >= limit - 1)
        over[:, -1] = True
        last = over.int().argmax(1)  # the first column behind which nothing stays
        row, column = (torch.arange(size, device=device) <= last[:, None]).nonzero(as_tuple=True)
        where = rows[row], places[row, column]
        draft.tokens[where], draft.log_probs[where] = token[row, column], log_prob[row, column]
        draft.by_student[where] = accepted[row, column]
        draft.lengths[rows] += last + 1
        check_finite(draft.log_probs, (student.forward, teacher.forward))

        final = token.gather(1, last[:, None])
        going = (~torch.isin(final[:, 0], stops) & (draft.lengths[rows] < limit)).nonzero()[:, 0]
        for forward in (student.forward, teacher.forward):
            if len(going) < len(rows):
                forward.keep(going)
            if len(going):
                forward.rewind((size - 1 - last)[going])
                forward.append(final[going])
        rows = rows[going]
    return draft


def propose(student: Side, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens ``[B, n]`` for numbers ``[B, n]``, and what they were drawn from, ``[B, n, V]``.

    The last one is not read yet.
    """
    tokens: list[Tensor] = []
    masses: list[Tensor] = []
    for column, uniform in enumerate(uniforms.unbind(1)):
        if column:
            student.forward.append(tokens[-1][:, None])
        masses.append(distribution(student.forward.logits()[:, 0], student.sampling))
        tokens.append(inverse_cdf(masses[-1], uniform))
    return torch.stack(tokens, 1), torch.stack(masses, 1)


def check(
    logits: Tensor, q: Tensor, proposals: Tensor, k: int, sampling: Sampling, uniforms: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The proposal where it is among the teacher's k likeliest tokens, else one of the teacher's.

    Args:
        logits: The teacher's at each position, ``[B, n, V]``.
        q: What the student's proposals were drawn from, ``[B, n, V]``.
        proposals: ``[B, n]``.
        k: How many of the largest logits let a proposal through. They are compared raw, before
            temperature and filters; what ties with the k-th is inside, what is impossible is not.
        sampling: How the teacher chooses.
        uniforms: What decides about the teacher's tokens, ``[B, n]``.

    Returns:
        Flat, ``[B * n]``: tokens; their log-probabilities under ``q`` inside and, with the mass
        that q has outside, the teacher's distribution; whether each is the proposal.
    """
    logits, q, tokens = logits.flatten(0, 1).float(), q.flatten(0, 1), proposals.flatten()
    least = logits.topk(min(k, logits.shape[1])).values[:, -1:]
    inside = (logits >= least) & (logits > -torch.inf)
    accepted = inside.gather(1, tokens[:, None])[:, 0]
    p = distribution(logits, sampling)
    tokens = torch.where(accepted, tokens, inverse_cdf(p, uniforms.flatten()))
    refused = q.masked_fill(inside, 0)
    mass = (q - refused) + refused.sum(1, keepdim=True) * p
    return tokens, mass.gather(1, tokens[:, None])[:, 0].log(), accepted
