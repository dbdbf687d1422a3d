"""How well a model predicts held-out text: nats, bits per byte, perplexity."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from limbeck.console import Advance
from limbeck.data import Sequence, collate, supervised
from limbeck.divergences import Head, RowLoss, RowLosses, linear_loss
from limbeck.targets import head_of, last_hidden

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Likelihood:
    """Of each held-out completion, in the order given.

    Attributes:
        nats: Negative log-likelihood of its tokens, the end-of-sequence token included.
        tokens: How many tokens that is.
        bytes: UTF-8 length of its text; nats / (bytes * ln 2) compares across tokenizers.
    """

    nats: Values
    tokens: Values
    bytes: Values


@torch.no_grad()
def likelihood(
    model: nn.Module,
    sequences: Rows[Sequence],
    tokenizer: Any,
    pad: int,
    batch_size: int,
    advance: Advance,
) -> Likelihood:
    """Score each completion under teacher forcing.

    Args:
        model: A causal language model in evaluation mode.
        sequences: With completions.
        tokenizer: Its tokenizer; also says how many ids are real.
        pad: Padding id.
        batch_size: Sequences at once.
        advance: Told of each batch.
    """
    nats = np.zeros(len(sequences))
    head = head_of(model, len(tokenizer))
    for chosen, batch in batches(sequences, pad, batch_size, next(model.parameters()).device):
        label = batch["labels"][:, 1:][supervised(batch["labels"])]

        def losses(chunks: Iterable[slice], label: Tensor = label) -> Iterator[RowLoss]:
            for rows in chunks:
                yield partial(_nats, label[rows])

        nats[chosen] = sum_by_sequence(batch, scores_of_rows(model, batch, head, losses)["nats"])
        advance(len(chosen))
    texts = [tokenizer.decode(s.completion, skip_special_tokens=True) for s in sequences]
    return Likelihood(
        nats,
        np.array([len(s.completion) for s in sequences], dtype=np.float64),
        np.array([max(1, len(t.encode())) for t in texts], dtype=np.float64),
    )


def _nats(label: Tensor, logits: Tensor, block: slice) -> dict[str, Tensor]:
    return {"nats": cross_entropy(logits, label[block], reduction="none")}


def scores_of_rows(
    model: nn.Module, batch: dict[str, Tensor], head: Head, scores: RowLosses
) -> dict[str, Tensor]:
    """Scores of the supervised positions of a batch, one sequence after the other.

    Args:
        model: Makes the hidden states.
        batch: Padded sequences.
        head: Makes logits of them, chunk by chunk.
        scores: As the losses of `linear_loss`.

    Returns:
        ``{name: [N]}``.
    """
    where = supervised(batch["labels"])
    return dict(linear_loss(last_hidden(model, batch)[:, :-1][where], head, scores)[1])


def sum_by_sequence(batch: dict[str, Tensor], values: Tensor) -> Values:
    """What `scores_of_rows` gave, summed over each sequence in float64, ``[B]``."""
    row = supervised(batch["labels"]).nonzero()[:, 0].cpu()
    empty = torch.zeros(len(batch["labels"]), dtype=torch.float64)
    return empty.index_add(0, row, values.cpu().double()).numpy()


def batches(
    sequences: Rows[Sequence], pad: int, size: int, device: torch.device
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Padded batches of similar length, each with the positions of its rows."""
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = collate([sequences[i] for i in chosen], pad)
        yield chosen, {k: v.to(device) for k, v in batch.items()}  # type: ignore[attr-defined]
