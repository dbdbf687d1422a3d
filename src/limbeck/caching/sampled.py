"""Tokens drawn from the teacher: unbiased for the forward KL at a tenth of the bytes."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.caching import bits
from limbeck.caching.encoding import Columns, joined, log_probabilities, tensor
from limbeck.targets import Need, Projected, Sampled

_FLOOR = -60.0  # of exact log-probabilities: a mass of 0 would mean an empty place


@dataclass(frozen=True)
class SampledEncoding:
    r"""The ``exact`` likeliest tokens with their probability, and draws from all the others.

    With r the mass of the others and :math:`c_v` of n draws from their renormalised distribution,
    :math:`\hat p_v = r c_v / n`, whose expectation is :math:`p_v`. Only the ids that occurred and
    their counts are kept. ``exact = 0`` is random-sampling distillation, arXiv:2503.16870, with
    the teacher's own distribution as the proposal.

    Attributes:
        vocabulary: V.
        samples: n.
        exact: How many tokens are kept as in top-k.
    """

    vocabulary: int
    samples: int
    exact: int = 0

    name: ClassVar[str] = "sampled"
    serves: ClassVar[frozenset[Need]] = frozenset({"average"})
    ragged: ClassVar[tuple[str, ...]] = ("low", "rest")

    @property
    def parameters(self) -> dict[str, Any]:
        """See `Encoding`."""
        return asdict(self)

    @property
    def bytes_per_token(self) -> int:
        """See `Encoding`; where every draw is another token, which is rare."""
        width = 2 + np.dtype(self._rest_type).itemsize
        exact = 4 * self.exact + bits.packed_width(self.exact, self.vocabulary)
        exact += 2 if self.exact else 0
        count = np.dtype(_fitting(self.samples)).itemsize
        return count + exact + width * min(self.samples, self.vocabulary)

    def encode(self, shown: Projected, seed: int) -> dict[str, NDArray[Any]]:
        """See `Encoding`."""
        generator = torch.Generator().manual_seed(seed)
        return joined([self._block(log_p, generator) for log_p in log_probabilities(shown)])

    def target(self, columns: Columns, device: torch.device) -> Sampled:
        """See `Encoding`."""
        drawn = columns["drawn"].astype(np.int64)
        rows, width = len(drawn), int(drawn.max(initial=1))
        rest = columns["rest"].astype(np.int64)
        shift = bits.high_bits(self.vocabulary)
        filled = np.arange(width) < drawn[:, None]
        ids = np.zeros((rows, width), np.int32)
        mass = np.zeros((rows, width), np.float32)
        ids[filled] = columns["low"] + ((rest & (2**shift - 1)) << bits.LOW_BITS)
        mass[filled] = rest >> shift
        mass /= self.samples
        if self.exact:
            top = bits.join(columns["top_low"], columns["top_high"], self.vocabulary)
            log_p = np.maximum(columns["top_log_p"].astype(np.float32), _FLOOR)
            share = np.exp(log_p)
            mass *= np.exp(columns["log_rest"].astype(np.float32))[:, None]
            ids, mass = np.concatenate([top, ids], 1), np.concatenate([share, mass], 1)
            filled = np.concatenate([np.ones_like(top, dtype=bool), filled], 1)
            mass /= mass.sum(1, keepdims=True)  # 16-bit logarithms: off by 1e-3 at most
        ids = np.where(filled, ids, ids[:, :1])
        return Sampled(tensor(ids, device), tensor(mass, device))

    @property
    def _rest_type(self) -> type[np.unsignedinteger[Any]]:
        """Holds an id's high bits and its count."""
        return _fitting(((self.samples + 1) << bits.high_bits(self.vocabulary)) - 1)

    def _block(self, log_p: Tensor, generator: torch.Generator) -> dict[str, NDArray[Any]]:
        log_p = log_p.double().cpu()
        columns: dict[str, NDArray[Any]] = {}
        if self.exact:
            top = log_p.topk(self.exact, dim=-1)
            low, high = bits.split(top.indices.numpy(), self.vocabulary)
            log_p = log_p.scatter(-1, top.indices, -torch.inf)
            rest = log_p.logsumexp(-1).clamp(min=-1e4)
            columns = {
                "top_low": low,
                "top_high": high,
                "top_log_p": top.values.numpy().astype(np.float16),
                "log_rest": rest.numpy().astype(np.float16),
            }
        token, ids, count = _draw(log_p.exp(), self.samples, generator)
        shift = bits.high_bits(self.vocabulary)
        packed = (ids >> bits.LOW_BITS) | (count << shift)
        drawn = np.bincount(token, minlength=len(log_p)).astype(_fitting(self.samples))
        low = (ids & 0xFFFF).astype(np.uint16)
        return {**columns, "drawn": drawn, "low": low, "rest": packed.astype(self._rest_type)}


def _fitting(value: int) -> type[np.unsignedinteger[Any]]:
    """The smaller type that holds a value."""
    return np.uint8 if value < 2**8 else np.uint16


def _draw(
    weights: Tensor, samples: int, generator: torch.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw from each row, and count: row, id and count of everything that occurred, sorted.

    The inverse of the cumulative sums in float64: with float32 the likeliest tokens of a large
    vocabulary would be drawn too rarely.
    """
    sums = weights.cumsum(-1)
    uniform = torch.rand(len(sums), samples, generator=generator, dtype=torch.float64)
    # Above 0, so that an id of no weight at the beginning is never met.
    at = (1 - uniform) * sums[:, -1:]
    ids = torch.searchsorted(sums, at).sort(-1).values
    row = torch.arange(len(sums))[:, None].expand_as(ids)
    pairs, count = torch.unique_consecutive(
        torch.stack([row.flatten(), ids.flatten()]), dim=1, return_counts=True
    )
    some = (sums[:, -1] > 0)[pairs[0]]  # nothing is left to draw from
    return pairs[0][some].numpy(), pairs[1][some].numpy(), count[some].numpy()
