"""Rows that a Python user hands to the trainer."""

from collections.abc import Iterable
from typing import Any

from limbeck.data import Sequence, examples_of, tokenise

_NO_LIMIT = 10**9  # tokenizers without a limit say 1e30


def as_sequences(dataset: Iterable[Any], tokenizer: Any, ends: set[int]) -> list[Sequence]:
    """Sequences as they are, and rows in TRL's formats tokenised.

    Args:
        dataset: `Sequence` objects, or mappings such as the rows of a `datasets.Dataset`.
        tokenizer: Turns rows into ids.
        ends: Ids that end a completion.

    Raises:
        RequestError: A row is in no known format.
    """
    rows = list(dataset)
    if all(isinstance(row, Sequence) for row in rows):
        return rows
    examples, kind = examples_of(
        ((f"row {i}", row) for i, row in enumerate(rows, start=1)), {}, "dataset"
    )
    done = tokenise(
        examples,
        tokenizer,
        kind=kind,
        max_length=min(tokenizer.model_max_length, _NO_LIMIT),
        truncation="cut_completion",
        eos=ends,
        chat=False,
        system=None,
    )
    return done.sequences
