"""From token ids to the supervised tokens a loss sees: the one place where labels shift."""

import enum
from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field, replace
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limbeck.targets import Target

IGNORE = -100  # the label of a token that is not supervised, as everywhere in PyTorch


class Author(enum.IntEnum):
    """Who wrote a completion, and so what it is for."""

    DATA = 0
    TEACHER = 1
    STUDENT = 2
    BOTH = 3  # token by token
    CORPUS = 4  # plain text of a pre-training corpus, for a language-modelling term


@dataclass(frozen=True, slots=True)
class Sequence:
    """A prompt and its completion as token ids, kept from here to the loss.

    Attributes:
        prompt: Ids that are read but never supervised; at least one, so that the first
            completion token has something to be predicted from.
        completion: Ids that are supervised, the end-of-sequence token included. Empty where
            nobody has answered the prompt yet.
        author: Who wrote the completion.
        example: Position of the example in its split, to find the row again.
        log_probs: Log-probability of each completion token under what it was drawn from (the
            behaviour policy), in nats; None where the text was not drawn for this training.
        rejected: The student's own completion, beside the teacher's, for methods that set the two
            against each other.
        weight: What the method decided when it prepared this sequence; only it knows the meaning.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...] = ()
    author: Author = Author.DATA
    example: int = -1
    log_probs: tuple[float, ...] | None = None
    rejected: tuple[int, ...] = ()
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)

    def pair(self) -> "list[Sequence]":
        """The teacher's answer and the student's to the same prompt, as two sequences."""
        own = replace(self, completion=self.rejected, rejected=(), author=Author.STUDENT)
        return [replace(self, rejected=()), own]


class Batch(TypedDict):
    """Padded sequences, ``[B, T]`` each but ``author``, ``example`` and ``weight`` ``[B]``.

    ``labels`` is `IGNORE` on prompt and padding and equals ``input_ids`` elsewhere (unshifted);
    ``position_ids`` count real tokens, so that the padding side cannot matter. ``log_probs`` stand
    where the labels do, and are 0 where nothing is known.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    labels: Tensor
    author: Tensor
    example: Tensor
    log_probs: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Scored:
    """The labels of a batch under both models, before the loss: what whole sequences tell.

    A loss sees a chunk of rows at a time. What a method has to know of a whole sequence (its mean
    log-probability, the return from here to its end) it computes from this, once for the batch.

    Attributes:
        log_p: Log-probability of each label under the teacher, ``[N]`` nats, without gradient.
        log_q: Under the student as it is now, ``[N]``, without gradient.
        row: Index of the sequence each token belongs to, ``[N]``, non-decreasing.
        author: An `Author` for each token, ``[N]``.
        log_probs: Under what each token was drawn from, ``[N]``; 0 where nothing is known.
    """

    log_p: Tensor
    log_q: Tensor
    row: Tensor
    author: Tensor
    log_probs: Tensor

    def mean_of(self, values: Tensor) -> Tensor:
        """The mean of each token's sequence, at each token, ``[N]``."""
        rows = int(self.row[-1]) + 1 if len(self.row) else 0
        sums = values.new_zeros(rows).index_add_(0, self.row, values)
        counts = values.new_zeros(rows).index_add_(0, self.row, torch.ones_like(values))
        return (sums / counts.clamp(min=1))[self.row]


@dataclass(frozen=True)
class Tokens:
    """The supervised tokens of a batch, flattened: all that a loss ever sees.

    Prompts and padding are gone, so no method masks, shifts or averages. Row i of a loss may
    depend on row i only; the trainer relies on it and hands over a chunk of rows at a time.

    Attributes:
        logits: Student logits, ``[N, V]`` float32 or float64; they carry the gradient.
        target: What is right at each position; None for methods that ask no teacher.
        label: The token that followed, ``[N]``.
        row: Index of the sequence each token belongs to, ``[N]``, non-decreasing.
        author: An `Author` for each token, ``[N]``.
        given: Numbers for each token that were known before, ``{name: [N]}``: ``weight`` and
            ``log_probs`` of its sequence, and what the method made of the whole batch.
    """

    logits: Tensor
    target: Target | None
    label: Tensor
    row: Tensor
    author: Tensor
    given: Mapping[str, Tensor] = field(default_factory=dict)

    def pair(self, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """Target and student log-probabilities over common events, ``[N, E]`` each."""
        if self.target is None:
            raise ValueError("this loss compares with a teacher, and none was given")
        return self.target.pair(self.logits, temperature)

    def nll(self, label: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of the label, or of another token, under the student, ``[N]``."""
        return cross_entropy(self.logits, self.label if label is None else label, reduction="none")

    @property
    def corpus(self) -> Tensor:
        """Which tokens are plain text, there for a language-modelling term; ``[N]`` booleans."""
        return self.author == Author.CORPUS

    def __getitem__(self, rows: slice) -> "Tokens":
        target = None if self.target is None else self.target[rows]
        label, row, author = self.label[rows], self.row[rows], self.author[rows]
        given = {name: values[rows] for name, values in self.given.items()}
        return Tokens(self.logits[rows], target, label, row, author, given)


def collate(
    sequences: Rows[Sequence],
    pad: int,
    side: str = "right",
    dtype: torch.dtype = torch.long,
) -> Batch:
    """Pad sequences to a batch.

    Args:
        sequences: At least one.
        pad: Id to fill with. It may equal the end-of-sequence id: masks never look at ids.
        side: Where the padding goes, ``"left"`` or ``"right"``.
        dtype: Integer type of the ids.

    Returns:
        A `Batch` on the CPU.
    """
    width = max(len(s) for s in sequences)
    ids = torch.full((len(sequences), width), pad, dtype=dtype)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    labels = torch.full((len(sequences), width), IGNORE, dtype=torch.long)
    log_probs = torch.zeros(len(sequences), width)
    for i, s in enumerate(sequences):
        start = width - len(s) if side == "left" else 0
        here = slice(start, start + len(s))
        ids[i, here] = torch.tensor((*s.prompt, *s.completion), dtype=dtype)
        mask[i, here] = 1
        answer = slice(start + len(s.prompt), here.stop)
        labels[i, answer] = torch.tensor(s.completion, dtype=torch.long)
        if s.log_probs is not None:
            log_probs[i, answer] = torch.tensor(s.log_probs)
    return Batch(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        labels=labels,
        author=torch.tensor([int(s.author) for s in sequences]),
        example=torch.tensor([s.example for s in sequences]),
        log_probs=log_probs,
        weight=torch.tensor([s.weight for s in sequences]),
    )


def supervised(labels: Tensor) -> Tensor:
    """Positions whose *next* token is supervised.

    Four published repositories mask the token itself instead of the position that predicts it,
    and so never train the first token of an answer; every mask here comes from this function.

    Args:
        labels: ``[B, T]``, unshifted.

    Returns:
        Boolean ``[B, T - 1]``; use it on ``hidden[:, :-1]`` beside ``labels[:, 1:]``.
    """
    return labels[:, 1:] != IGNORE
