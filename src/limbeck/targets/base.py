"""What is right at each position: how much the teacher reveals, on common events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from limbeck.divergences import Head, log_probs


class Target(Protocol):
    """A distribution for each supervised token.

    A target turns student logits into a pair over the *same* events, so that no divergence and
    no method needs to know how much the teacher revealed.
    """

    def pair(self, logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Target and student log-probabilities, ``[N, E]`` each; the target has no gradient."""
        ...

    def __getitem__(self, rows: slice) -> "Target":
        """The target of some of the tokens."""
        ...

    def chunks(self, slices: Iterable[slice]) -> "Iterator[Target]":
        """The target of each chunk of tokens, one at a time.

        What is made for a chunk as a whole (the product with a head) is made here; the chunk is
        then cut into blocks. A chunk's target is valid until the next one is asked for. Where
        nothing is, a chunk is only cut out.
        """
        return (self[rows] for rows in slices)


@dataclass(frozen=True)
class Dense(Target):
    """Full teacher logits, ``[N, V]``; the events are the vocabulary."""

    logits: Tensor

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`."""
        target = log_probs(self.logits.detach().to(logits.dtype), temperature)
        return target, log_probs(logits, temperature)

    def __getitem__(self, rows: slice) -> "Dense":
        return Dense(self.logits[rows])


@dataclass(frozen=True)
class Projected(Target):
    """Teacher hidden states, ``[N, H]``, and the head that makes logits of them when asked.

    Kept this way, a chunk's logits exist only while the chunk is in work.
    """

    hidden: Tensor
    head: Head

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`."""
        return Dense(self.head.logits(self.hidden.detach())).pair(logits, temperature)

    def __getitem__(self, rows: slice) -> "Projected":
        return Projected(self.hidden[rows], self.head)

    def chunks(self, slices: Iterable[slice]) -> "Iterator[Target]":
        """See `Target.chunks`: one product for each chunk, all in the same memory."""
        for tile in self.head.tiles(self.hidden, slices):
            yield _Raw(tile, self.head)


@dataclass(frozen=True)
class _Raw(Target):
    """Products of a chunk that the head has not finished (scaled, capped) yet."""

    raw: Tensor
    head: Head

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`."""
        return Dense(self.head.finish(self.raw)).pair(logits, temperature)

    def __getitem__(self, rows: slice) -> "_Raw":
        return _Raw(self.raw[rows], self.head)
