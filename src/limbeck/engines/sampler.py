"""Draw a token from a row of logits: exact, and cheap next to the model that made them."""

import math

import torch
from torch import Tensor

from limbeck.engines.base import Sampling, Seed

# As many candidates are sorted for top-p before the whole vocabulary is: sorting 32 000 scores
# takes longer than the rest of a small model's step.
CANDIDATES = 1024


@torch.no_grad()
def sample(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """One token a row.

    Args:
        logits: ``[B, V]``, of any floating type; computed with in float32.
        uniform: A number in [0, 1) for each row, ``[B]``, float64; greedy decoding ignores it.
        sampling: Temperature and filters, in transformers' order: temperature, top-k, top-p.

    Returns:
        Tokens ``[B]`` and their log-probabilities ``[B]`` under the logits as they came in, in
        nats. The latter are not finite where the logits define no distribution (a NaN, +inf, or
        nothing but -inf).
    """
    logits = logits.float()
    if sampling.temperature == 0:
        tokens = logits.argmax(-1)
    else:
        probabilities = distribution(logits, sampling)
        tokens = inverse_cdf(probabilities, uniform)
        if (sampling.temperature, sampling.top_k, sampling.top_p) == (1, 0, 1):
            return tokens, probabilities.gather(1, tokens[:, None]).squeeze(1).log()
    return tokens, logits.gather(1, tokens[:, None]).squeeze(1) - logits.logsumexp(-1)


def distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """What tokens are drawn from, ``[B, V]`` float32: all on the likeliest at temperature 0.

    A row of logits that define no distribution is NaN where it counts.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        most, ids = logits.max(-1, keepdim=True)
        return torch.zeros_like(logits).scatter_(1, ids, 1 + 0 * most)  # 0 * inf is NaN
    scores = logits if sampling.temperature == 1 else logits / sampling.temperature
    return filtered(scores, sampling.top_k, sampling.top_p).softmax(-1)


def filtered(scores: Tensor, top_k: int, top_p: float) -> Tensor:
    """Scores ``[B, V]`` with -inf for what top-k, then top-p, leave out.

    Top-k keeps what ties with the k-th score. Top-p keeps a token while the probability of those
    above it is less than ``top_p``, so the token that crosses the bound stays, and always the
    first.
    """
    if 0 < top_k < scores.shape[-1]:
        least = scores.topk(top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if top_p < 1:
        scores = scores.masked_fill(~_nucleus(scores.softmax(-1), top_p), -torch.inf)
    return scores


def inverse_cdf(mass: Tensor, uniform: Tensor) -> Tensor:
    """The event at which the cumulative distribution passes ``uniform``.

    Found in two levels, about sqrt(E) blocks of about sqrt(E) events: the number picks a block by
    the blocks' sums, and what it leaves over picks an event in the block. That is exact and needs
    no running sum over the vocabulary; ``torch.multinomial`` draws a random number for each event.

    Args:
        mass: Probabilities, or anything proportional to them, ``[B, E]``; 0 is never drawn.
        uniform: ``[B]``, float64, in [0, 1).

    Returns:
        Events ``[B]``. A row with a NaN gives some event.
    """
    events = mass.shape[1]
    size = 1 << round(math.log2(events) / 2)
    whole = events - events % size
    sums = mass[:, :whole].unflatten(1, (-1, size)).sum(-1)
    if whole < events:
        sums = torch.cat([sums, mass[:, whole:].sum(-1, keepdim=True)], dim=1)
    block, rest = _pass(sums, uniform)
    ids = block[:, None] * size + torch.arange(size, device=mass.device)
    inside = mass.gather(1, ids.clamp(max=events - 1)).masked_fill(ids >= events, 0)
    event, _ = _pass(inside, rest)
    return block * size + event


def uniforms(rows: int, steps: int, seed: Seed) -> Tensor:
    """A number in [0, 1) for each token, ``[rows, steps]`` float64; row i is the same for any ``rows``.

    With a seed for each row, it depends on that seed alone. The generator is one of its own: the
    training's random numbers stay as they are.
    """
    if not isinstance(seed, int):
        each = [uniforms(1, steps, own) for own in seed]
        return torch.cat(each) if each else torch.empty((0, steps), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((rows, steps), generator=generator, dtype=torch.float64)


def _pass(mass: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Where the running sum of ``mass [B, E]`` passes ``share [B]`` of its total.

    Returns:
        The index, and the share of that entry's own mass that was used up.
    """
    run = mass.cumsum(-1, dtype=torch.float64)
    point = share[:, None] * run[:, -1:]
    index = torch.searchsorted(run, point, right=True).clamp(max=mass.shape[1] - 1)
    # Rounding may carry the point to the end of the row, and a parallel running sum may move
    # where nothing was added: an entry without mass is never taken. NaN ends here as well.
    index = torch.where(mass.gather(1, index) > 0, index, mass.argmax(-1, keepdim=True))
    rest = 1 - (run.gather(1, index) - point) / mass.gather(1, index)
    return index.squeeze(1), rest.clamp(0, 1).squeeze(1)


def _nucleus(mass: Tensor, top_p: float, width: int = CANDIDATES) -> Tensor:
    """Mask of the most probable events that reach ``top_p`` together, ``[B, V]``."""
    whole = width >= mass.shape[1]
    values, ids = mass.sort(descending=True) if whole else mass.topk(width)
    kept = values.cumsum(-1, dtype=torch.float64) - values < top_p
    kept[:, 0] = True
    mask = torch.zeros_like(mass, dtype=torch.bool).scatter_(1, ids, kept)
    wide = kept[:, -1]
    if not whole and wide.any():
        mask[wide] = _nucleus(mass[wide], top_p, mass.shape[1])
    return mask
