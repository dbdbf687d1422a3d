"""How well a model predicts held-out text: nats, bits per byte, perplexity."""

from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck.console import Advance
from limbeck.data import Sequence, collate, supervised
from limbeck.divergences import linear_loss
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
        where = supervised(batch["labels"])
        label, row = batch["labels"][:, 1:][where], where.nonzero()[:, 0]
        sums = torch.zeros(len(chosen), dtype=torch.float64, device=label.device)

        def row_loss(logits: Tensor, rows: slice, label=label, row=row, sums=sums) -> Tensor:  # type: ignore[no-untyped-def]
            nll = torch.nn.functional.cross_entropy(logits, label[rows], reduction="none")
            sums.index_add_(0, row[rows], nll.double())
            return nll

        linear_loss(last_hidden(model, batch)[:, :-1][where], head, row_loss)
        nats[chosen] = sums.cpu().numpy()
        advance(len(chosen))
    texts = [tokenizer.decode(s.completion, skip_special_tokens=True) for s in sequences]
    return Likelihood(
        nats,
        np.array([len(s.completion) for s in sequences], dtype=np.float64),
        np.array([max(1, len(t.encode())) for t in texts], dtype=np.float64),
    )


def batches(
    sequences: Rows[Sequence], pad: int, size: int, device: torch.device
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Padded batches of similar length, each with the positions of its rows."""
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = collate([sequences[i] for i in chosen], pad)
        yield chosen, {k: v.to(device) for k, v in batch.items()}  # type: ignore[attr-defined]
