"""The supervised tokens of a batch before their logits are known, and what both models say of them."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.data import Author, Batch, Scored, Tokens, supervised
from limbeck.divergences import Head, RowLoss, RowLosses, linear_loss
from limbeck.targets import Target

TokenLoss = Callable[[Tokens], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Labels:
    """What is known of each supervised token without any model, ``[N]`` each; see `Tokens`."""

    label: Tensor
    row: Tensor
    author: Tensor
    given: Mapping[str, Tensor]

    @classmethod
    def of(cls, batch: Batch) -> "Labels":
        """The tokens that a batch supervises."""
        where = supervised(batch["labels"])
        row = where.nonzero()[:, 0]
        given = {"weight": batch["weight"][row], "log_probs": batch["log_probs"][:, 1:][where]}
        return cls(batch["labels"][:, 1:][where], row, batch["author"][row], given)

    @property
    def corpus(self) -> Tensor:
        """Which tokens are plain text."""
        return self.author == Author.CORPUS

    def __getitem__(self, rows: slice) -> "Labels":
        given = {name: values[rows] for name, values in self.given.items()}
        return Labels(self.label[rows], self.row[rows], self.author[rows], given)

    def weights(self, reduction: str, corpus: float | Tensor) -> Tensor:
        """What each token counts for in the sum.

        Args:
            reduction: Of the method; ``sequences`` divides by the length of the token's sequence.
            corpus: Weight of a token of plain text, which is averaged over its own kind.
        """
        weight = torch.ones_like(self.label, dtype=torch.float32)
        if reduction == "sequences" and len(self.row):
            weight = weight / torch.bincount(self.row)[self.row]
        return torch.where(self.corpus, corpus, weight)

    def losses(self, target: Target | None, loss: TokenLoss) -> RowLosses:
        """A loss of tokens as `linear_loss` asks for it: chunk by chunk, block by block."""

        def chunked(chunks: Iterable[slice]) -> Iterator[RowLoss]:
            chunks = list(chunks)
            targets = itertools.repeat(None) if target is None else target.chunks(chunks)
            for rows, part in zip(chunks, targets, strict=False):
                yield self[rows]._row_loss(part, loss)

        return chunked

    def _row_loss(self, target: Target | None, loss: TokenLoss) -> RowLoss:
        def row_loss(logits: Tensor, block: slice) -> Mapping[str, Tensor]:
            part, here = None if target is None else target[block], self[block]
            return loss(Tokens(logits, part, here.label, here.row, here.author, here.given))

        return row_loss

    @torch.no_grad()
    def scored(self, hidden: Tensor, head: Head, target: Target) -> Scored:
        """Both models' log-probabilities of the labels, by a pass over the head of its own.

        Args:
            hidden: The student's, ``[N, H]``.
            head: Its head.
            target: The teacher's whole distribution.
        """
        _, found = linear_loss(hidden, head, self.losses(target, _label_log_probs))
        log_q = found["log_q"]  # float32, whatever the weights are
        return Scored(
            found["log_p"], log_q, self.row, self.author, self.given["log_probs"].to(log_q.dtype)
        )


def _label_log_probs(tokens: Tokens) -> dict[str, Tensor]:
    log_p, _ = tokens.pair()
    return {
        "log_p": log_p.gather(-1, tokens.label[:, None]).squeeze(-1),
        "log_q": -tokens.nll(),
    }
