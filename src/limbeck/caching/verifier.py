"""Is a cache whole, and does it say what the teacher says?"""

import random
from collections.abc import Sequence as Rows
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.caching.cache import Cache
from limbeck.caching.encoding import Encoding, log_probabilities
from limbeck.caching.manifest import File
from limbeck.caching.sampled import SampledEncoding
from limbeck.caching.topk import UNSEEN
from limbeck.caching.writer import show
from limbeck.errors import LimbeckError
from limbeck.targets import ModelTeacher, Projected, Sampled, Target, TopK

# A teacher in half precision on another machine differs by about a thousandth of a nat, 8-bit
# codes by less, another teacher by a tenth and more.
MAX_NATS = 0.01
MAX_DEVIATIONS = 6.0
ROUNDING = 1e-3  # nats, of what a sampled cache keeps exactly


@dataclass(frozen=True)
class Verified:
    """A cache beside its teacher, over some sequences.

    Attributes:
        tokens: Supervised tokens compared.
        nats: Mean KL between the teacher and what the cache says, over the kept events and the
            rest. None for draws, which are no distribution.
        covered: Mean probability that the teacher gives to the kept tokens.
        error: Largest difference of a kept probability.
        deviations: Of draws: how many standard deviations the mean log-probability of what was
            drawn lies from its expectation, the negative entropy. None where nothing was drawn.
    """

    tokens: int
    nats: float | None
    covered: float
    error: float
    deviations: float | None

    @property
    def holds(self) -> bool:
        """Whether this is the same teacher."""
        near = self.nats is None or self.nats <= MAX_NATS
        fair = self.deviations is None or abs(self.deviations) <= MAX_DEVIATIONS
        return near and fair


def check_files(cache: Cache) -> None:
    """Compare size and checksum of every file with the manifest.

    Raises:
        LimbeckError: A file is missing, cut short or changed.
    """
    files = [*cache.manifest.shards, *cache.manifest.files]
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        list(pool.map(lambda file: _check_file(cache, file), files))


def recompute(
    cache: Cache, teacher: ModelTeacher, pad: int, *, seed: int = 0, limit: int | None = None
) -> Verified:
    """Ask the teacher again about one shard, or some sequences of it.

    Args:
        cache: What is in doubt.
        teacher: Who said it.
        pad: Id to fill batches with.
        seed: Chooses the shard.
        limit: At most so many sequences; None is the whole shard.
    """
    draw = random.Random(seed)
    rows = _chosen(cache, draw)
    if limit is not None:
        rows = sorted(draw.sample(rows, min(limit, len(rows))))
    return _compare(cache, teacher, rows, pad)


def compare_shown(
    cache: Cache, rows: Rows[int], shown: Rows[tuple[NDArray[np.int64], NDArray[np.float64]]]
) -> Verified:
    """Compare a cache of the likeliest tokens with what somebody shows of them now.

    Tokens that are not in both, at the end of the list, belong to the rest.

    Args:
        cache: What is in doubt.
        rows: Some of its sequences.
        shown: Of each, ids and log-probabilities of the likeliest tokens, ``[n, k]``.
    """
    parts = []
    for row, (ids, log_p) in zip(rows, shown, strict=True):
        said = cache.target([row], torch.device("cpu"))
        assert isinstance(said, TopK)
        same = said.ids.long()[:, :, None] == torch.from_numpy(ids)[:, None, :]
        own = torch.from_numpy(log_p)[:, None, :].masked_fill(~same, -torch.inf).logsumexp(-1)
        kept = said.log_p.double()
        others = torch.cat([kept.masked_fill(same.any(-1), -torch.inf), said.log_rest[:, None]], -1)
        kept = kept.masked_fill(~same.any(-1), -torch.inf)
        covered = own.exp().sum(-1)
        rest = (1 - covered).clamp(min=UNSEEN)
        p = torch.cat([own.exp(), rest[:, None]], -1)
        events = torch.cat([kept, others.double().logsumexp(-1, keepdim=True)], -1)
        ratio = torch.where(p > 0, p.log() - events, torch.zeros_like(p))
        error = (p - events.exp()).abs().amax(-1)
        parts.append(torch.stack([(p * ratio).sum(-1), covered, error]))
    nats, covered, error = torch.cat(parts, -1)
    return Verified(len(nats), float(nats.mean()), float(covered.mean()), float(error.max()), None)


def a_shard(cache: Cache, seed: int) -> list[int]:
    """The sequences of one shard, which the seed chooses."""
    return _chosen(cache, random.Random(seed))


def refuse(found: Verified, cache: Cache) -> None:
    """Stop where the cache does not say what the teacher says.

    Raises:
        LimbeckError: It does not.
    """
    if found.holds:
        return
    far = (
        f"{found.nats:.3g} nats a token"
        if found.nats is not None
        else f"{found.deviations:.3g} standard deviations"
    )
    raise LimbeckError(
        f"the cache does not say what the teacher says: they are {far} apart",
        where=str(cache.folder),
        mend="make the cache again with this teacher",
    )


def _chosen(cache: Cache, draw: random.Random) -> list[int]:
    shards = cache.manifest.shards
    number = draw.randrange(len(shards))
    first = sum(s.sequences for s in shards[:number])
    return list(range(first, first + shards[number].sequences))


def _compare(cache: Cache, teacher: ModelTeacher, rows: Rows[int], pad: int) -> Verified:
    sequences = [cache.text[row] for row in rows]
    parts = []
    with torch.inference_mode():
        for chosen, shown in show(teacher, sequences, pad):
            said = cache.target([rows[i] for i in chosen], shown.hidden.device)
            start = 0
            for log_p in log_probabilities(shown):
                block = slice(start, start + len(log_p))
                parts.append(_measure(said[block], log_p.double(), cache.encoding))
                start = block.stop
    nats, covered, error, surplus, variance = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    drawn = bool((variance >= 0).all())
    spread = float(variance.sum().sqrt()) if drawn else 1.0
    return Verified(
        tokens=len(nats),
        nats=None if drawn else float(nats.mean()),
        covered=float(covered.mean()),
        error=float(error.max()),
        deviations=float(surplus.sum()) / max(spread, 1e-12) if drawn else None,
    )


def _measure(said: Target, log_p: Tensor, encoding: Encoding) -> tuple[Tensor, ...]:
    """Of each token: KL, covered mass, largest error, and surplus and variance of draws."""
    nothing = log_p.new_zeros(len(log_p))
    if isinstance(said, Sampled):
        assert isinstance(encoding, SampledEncoding)
        return _measure_draws(said, log_p, encoding)
    if isinstance(said, Projected):
        events, own = said.head.logits(said.hidden).double().log_softmax(-1), log_p
        covered = nothing + 1
    else:
        assert isinstance(said, TopK)
        ids = said.ids.long()
        others = log_p.scatter(-1, ids, -torch.inf).logsumexp(-1, keepdim=True)
        own = torch.cat([log_p.gather(-1, ids), others], -1)
        events = torch.cat([said.log_p, said.log_rest[:, None]], -1).double()
        covered = own[:, :-1].exp().sum(-1)
    p = own.exp()
    ratio = torch.where(p > 0, own - events, torch.zeros_like(own))
    return (p * ratio).sum(-1), covered, (p - events.exp()).abs().amax(-1), nothing, nothing - 1


def _measure_draws(said: Sampled, log_p: Tensor, encoding: SampledEncoding) -> tuple[Tensor, ...]:
    """Likewise; the mean of log p over draws has the expectation and the variance of log p."""
    mass, ids = said.mass.double(), said.ids.long()
    own = log_p.clamp(min=-1e3)
    kept = own.gather(-1, ids)
    p, exact = own.exp(), encoding.exact
    surplus = (mass * kept).sum(-1) - (p * own).sum(-1)
    rest = p.scatter(-1, ids[:, :exact], 0.0)
    share = rest.sum(-1)
    variance = share * (rest * own.square()).sum(-1) - (rest * own).sum(-1).square()
    variance = variance.clamp(min=0) / encoding.samples + (ROUNDING**2 if exact else 0.0)
    covered = (kept.exp() * (mass > 0)).sum(-1)
    error = (mass - kept.exp())[:, :exact].abs().amax(-1) if exact else torch.zeros_like(covered)
    return torch.zeros_like(covered), covered, error, surplus, variance


def _check_file(cache: Cache, file: File) -> None:
    wrong = file.damage(cache.folder)
    if not wrong:
        return
    raise LimbeckError(
        f"a file of the cache {wrong}",
        where=str(cache.folder / file.file),
        mend="run the limbeck cache command that made it again: it writes what is not whole",
    )
