"""What is right at each position: how much the teacher reveals, on common events."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from limbeck.divergences import Head


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


@dataclass(frozen=True)
class Dense:
    """Full teacher logits, ``[N, V]``; the events are the vocabulary."""

    logits: Tensor

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`."""
        log_p = (self.logits.detach().to(logits.dtype) / temperature).log_softmax(-1)
        return log_p, (logits / temperature).log_softmax(-1)

    def __getitem__(self, rows: slice) -> "Dense":
        return Dense(self.logits[rows])


@dataclass(frozen=True)
class Projected:
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
