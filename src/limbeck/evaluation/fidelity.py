"""Does the student think like its teacher? Token by token, on held-out text."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from limbeck.console import Advance
from limbeck.data import Sequence, supervised
from limbeck.divergences import forward_kl, linear_loss, reverse_kl
from limbeck.evaluation.likelihood import Values, batches
from limbeck.targets import ModelTeacher, head_of, last_hidden


@dataclass(frozen=True)
class Fidelity:
    """Sums over the tokens of each text, in the order given.

    Attributes:
        kl_teacher_student: KL(p || q), nats.
        kl_student_teacher: KL(q || p), nats.
        agree: Positions where both find the same token likeliest.
        tokens: Positions.
    """

    kl_teacher_student: Values
    kl_student_teacher: Values
    agree: Values
    tokens: Values


@torch.no_grad()
def fidelity(
    teacher: ModelTeacher,
    model: nn.Module,
    sequences: Rows[Sequence],
    vocabulary: int,
    pad: int,
    batch_size: int,
    advance: Advance,
) -> Fidelity:
    """Compare two models that share a tokenizer, under teacher forcing.

    Args:
        teacher: Whose distribution is p.
        model: Whose distribution is q; in evaluation mode.
        sequences: Text with completions; only their tokens count.
        vocabulary: Number of real ids.
        pad: Padding id.
        batch_size: Sequences at once.
        advance: Told of each batch.
    """
    sums = np.zeros((4, len(sequences)))
    head = head_of(model, vocabulary)
    for chosen, batch in batches(sequences, pad, batch_size, next(model.parameters()).device):
        where = supervised(batch["labels"])
        row = where.nonzero()[:, 0]
        target = teacher(batch, where)
        totals = torch.zeros(4, len(chosen), dtype=torch.float64, device=row.device)

        def row_loss(logits: Tensor, rows: slice, target=target, row=row, totals=totals) -> Tensor:  # type: ignore[no-untyped-def]
            log_p, log_q = target[rows].pair(logits, 1.0)
            forward = forward_kl(log_p, log_q)
            agree = log_p.argmax(-1) == log_q.argmax(-1)
            values = torch.stack(
                [forward, reverse_kl(log_p, log_q), agree, torch.ones_like(forward)]
            )
            totals.index_add_(1, row[rows], values.double())
            return forward

        linear_loss(last_hidden(model, batch)[:, :-1][where], head, row_loss)
        sums[:, chosen] = totals.cpu().numpy()
        advance(len(chosen))
    return Fidelity(*sums)
