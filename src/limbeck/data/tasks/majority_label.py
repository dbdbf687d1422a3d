"""Classification: which of three marks is the most frequent in a text."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range
from limbeck.data.tasks.syllables import ALPHABET, word

LABELS = "xyz"


@dataclass(frozen=True)
class MajorityLabel(Task):
    """``ba+x ko ti+y gu+x=`` becomes ``x2y1z0#x``.

    Attributes:
        words: Fewest and most words; how many of them are marked is the difficulty.
    """

    words: tuple[int, int] = (5, 9)
    alphabet: ClassVar[str] = ALPHABET + "xyz0123456789+ =#"

    def __post_init__(self) -> None:
        check_range("words", self.words, least=2, most=50)

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        while True:
            marks = [rng.choice([*LABELS, ""]) for _ in range(rng.randint(*self.words))]
            counts = Counter({label: marks.count(label) for label in LABELS})
            (first, most), (_, second), *_ = counts.most_common()
            if most > second:
                break
        text = " ".join(word(rng, 1) + (f"+{mark}" if mark else "") for mark in marks)
        working = "".join(f"{label}{counts[label]}" for label in LABELS)
        return Example(
            prompt=f"{text}=",
            completion=working + MARKER + first,
            answer=first,
            difficulty=counts.total(),
        )
