"""Does the student think like its teacher? Both distributions at every token of a text."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck.console import Advance
from limbeck.data import Sequence, supervised
from limbeck.divergences import RowLoss, forward_kl, jensen_shannon, reverse_kl
from limbeck.evaluation.likelihood import batches, scores_of_rows
from limbeck.targets import ModelTeacher, Target, head_of

LIKELIEST = 5


@dataclass(frozen=True)
class Positions:
    """Two models at the supervised tokens of some texts, in the order of the texts.

    Attributes:
        text: Which text a token stands in, ``[N]``, counted from 0.
        position: Its place in that completion, from 1.
        token: Its id.
        values: Name to ``[N]``, p the teacher's and q the other model's distribution there:

            - ``kl_teacher_student`` KL(p || q), ``kl_student_teacher`` KL(q || p), ``jsd``
              Jensen-Shannon with weights of one half; nats;
            - ``top1`` 1 where both find the same token likeliest, ``top5`` the share of p's five
              likeliest tokens that are among q's five;
            - ``entropy_teacher``, ``entropy``: of p and of q, nats;
            - ``confidence_teacher``, ``confidence``: probability of the likeliest token;
            - ``right_teacher``, ``right``: 1 where that is the token of the text.
    """

    text: NDArray[np.int32]
    position: NDArray[np.int32]
    token: NDArray[np.int32]
    values: dict[str, NDArray[np.float32]]

    def columns(self) -> dict[str, NDArray[Any]]:
        """Everything as columns of one table."""
        return {"text": self.text, "position": self.position, "token": self.token, **self.values}

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Tokens of each text."""
        return np.bincount(self.text).astype(np.float64)

    def sums(self, name: str) -> NDArray[np.float64]:
        """One of the values, summed over each text."""
        return np.bincount(self.text, self.values[name]).astype(np.float64)

    @classmethod
    def of_columns(cls, columns: dict[str, NDArray[Any]]) -> "Positions":
        """What `columns` gave."""
        rest = dict(columns)
        return cls(rest.pop("text"), rest.pop("position"), rest.pop("token"), rest)


@torch.no_grad()
def positions(
    teacher: ModelTeacher,
    model: nn.Module,
    sequences: Rows[Sequence],
    vocabulary: int,
    pad: int,
    batch_size: int,
    advance: Advance,
) -> Positions:
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
    lengths = np.array([len(s.completion) for s in sequences])
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    found: dict[str, NDArray[np.float32]] = {}
    head = head_of(model, vocabulary)
    for chosen, batch in batches(sequences, pad, batch_size, next(model.parameters()).device):
        label = batch["labels"][:, 1:][supervised(batch["labels"])]
        target = teacher(batch, supervised(batch["labels"]))

        def scores(
            chunks: Iterable[slice], target: Target = target, label: Tensor = label
        ) -> Iterator[RowLoss]:
            rows = list(chunks)
            for part, its in zip(target.chunks(rows), rows, strict=True):
                yield partial(_compare, part, label[its])

        # The rows of a batch are its sequences' tokens one after the other.
        places = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in chosen])
        for name, values in scores_of_rows(model, batch, head, scores).items():
            column = found.setdefault(name, np.zeros(starts[-1], np.float32))
            column[places] = values.float().cpu().numpy()
        advance(len(chosen))
    text = np.repeat(np.arange(len(sequences)), lengths)
    return Positions(
        text.astype(np.int32),
        (np.arange(starts[-1]) - starts[text] + 1).astype(np.int32),
        np.array([t for s in sequences for t in s.completion], np.int32),
        found,
    )


def _compare(target: Target, label: Tensor, logits: Tensor, block: slice) -> dict[str, Tensor]:
    log_p, log_q = (x + 0.0 for x in target[block].pair(logits, 1.0))  # looked at many times
    top_p, top_q = log_p.topk(_likeliest(log_p)), log_q.topk(_likeliest(log_q))
    shared = (top_p.indices.unsqueeze(-1) == top_q.indices.unsqueeze(-2)).any(-1)
    best_p, best_q = top_p.indices[:, 0], top_q.indices[:, 0]
    return {
        "kl_teacher_student": forward_kl(log_p, log_q),
        "kl_student_teacher": reverse_kl(log_p, log_q),
        "jsd": jensen_shannon(log_p, log_q, beta=0.5),
        "top1": best_p == best_q,
        "top5": shared.to(log_p.dtype).mean(-1),
        "entropy_teacher": torch.special.entr(log_p.exp()).sum(-1),
        "entropy": torch.special.entr(log_q.exp()).sum(-1),
        "confidence_teacher": top_p.values[:, 0].exp(),
        "confidence": top_q.values[:, 0].exp(),
        "right_teacher": best_p == label[block],
        "right": best_q == label[block],
    }


def _likeliest(log_probs: Tensor) -> int:
    return min(LIKELIEST, log_probs.shape[-1])
