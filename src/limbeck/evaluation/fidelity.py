"""Does the student think like its teacher? Token by token, on held-out text."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from limbeck.console import Advance
from limbeck.data import Sequence, supervised
from limbeck.divergences import RowLoss, forward_kl, reverse_kl
from limbeck.evaluation.likelihood import Values, batches, sum_by_sequence
from limbeck.targets import ModelTeacher, Target, head_of


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
    names = ("forward", "reverse", "agree", "tokens")
    sums = {name: np.zeros(len(sequences)) for name in names}
    head = head_of(model, vocabulary)
    for chosen, batch in batches(sequences, pad, batch_size, next(model.parameters()).device):
        target = teacher(batch, supervised(batch["labels"]))

        def scores(chunks: Iterable[slice], target: Target = target) -> Iterator[RowLoss]:
            for part in target.chunks(chunks):
                yield partial(_compare, part)

        for name, values in sum_by_sequence(model, batch, head, scores).items():
            sums[name][chosen] = values
        advance(len(chosen))
    return Fidelity(*(sums[name] for name in names))


def _compare(target: Target, logits: Tensor, block: slice) -> dict[str, Tensor]:
    log_p, log_q = target[block].pair(logits, 1.0)
    forward = forward_kl(log_p, log_q)
    return {
        "forward": forward,
        "reverse": reverse_kl(log_p, log_q),
        "agree": log_p.argmax(-1) == log_q.argmax(-1),
        "tokens": torch.ones_like(forward),
    }
