"""Which split a prompt belongs to, decided by the prompt alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from limbeck.data.examples import Example

Split = Literal["train", "validation", "test"]


def split_of(key: str, validation: float, test: float) -> Split:
    """The split of a prompt.

    It depends on nothing but the prompt and the two fractions: adding, removing or reordering
    rows moves no row, and rows that share a prompt stay together. The two held-out splits take
    the two ends of the hash's range, so changing one fraction leaves the other split as it was.

    Args:
        key: The prompt's `Example.key`.
        validation: Expected fraction of the prompts, in [0, 1).
        test: Expected fraction of the prompts, in [0, 1); the two sum to less than 1.
    """
    position = int(key, 16) / 16 ** len(key)
    if position < test:
        return "test"
    if position >= 1 - validation:
        return "validation"
    return "train"


def choose(train: list[Example], rows: int | None) -> list[Example]:
    """At most `rows` training rows, the same ones however the data grows or is ordered.

    Args:
        train: Rows in the order of the data.
        rows: How many to keep; None keeps all.

    Returns:
        The kept rows in the order of the data.
    """
    if rows is None or len(train) <= rows:
        return train
    return [train[i] for i in _smallest(train, range(len(train)), rows, "rows")]


def hide(train: list[Example], labelled: int | None) -> list[Example]:
    """Keep the completions of `labelled` rows and move the others' out of the student's sight.

    Args:
        train: Rows in the order of the data.
        labelled: How many completions to keep; None keeps all.

    Returns:
        Rows in the same order; where a completion was taken away it stands in ``hidden``.
    """
    answered = [i for i, e in enumerate(train) if e.completion is not None]
    if labelled is None or len(answered) <= labelled:
        return train
    kept = set(_smallest(train, answered, labelled, "labelled"))
    return [
        e if i in kept or e.completion is None else replace(e, completion=None, hidden=e.completion)
        for i, e in enumerate(train)
    ]


def _smallest(examples: list[Example], among: Iterable[int], count: int, purpose: str) -> list[int]:
    """Positions of the `count` rows whose prompts hash smallest, in ascending order.

    Each purpose has its own hash: with the same one, the rows that are labelled would be those
    that a smaller choice of rows keeps.
    """

    def rank(i: int) -> bytes:
        return hashlib.blake2b(f"{purpose}:{examples[i].key}".encode(), digest_size=8).digest()

    return sorted(sorted(among, key=rank)[:count])
