"""Names in a text: all words with a capital that do not begin a sentence."""

import random
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range
from limbeck.data.tasks.syllables import ALPHABET, word


@dataclass(frozen=True)
class NameExtraction(Task):
    """``Da Timo ge. Ko Rala Timo fu.=`` becomes ``Timo;Rala;Timo#Timo,Rala``.

    The worked solution copies each name as it comes; the answer has each once.

    Attributes:
        names: Fewest and most names in the text; their number is the difficulty.
        words: Fewest and most other words.
    """

    names: tuple[int, int] = (1, 3)
    words: tuple[int, int] = (3, 6)
    alphabet: ClassVar[str] = ALPHABET + ALPHABET.upper() + " .,;=#"

    def __post_init__(self) -> None:
        check_range("names", self.names, least=1, most=20)
        check_range("words", self.words, least=1, most=50)

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        known = [word(rng, 2).capitalize() for _ in range(rng.randint(*self.names))]
        named = [rng.choice(known) for _ in known]
        pieces = named + [word(rng, 1) for _ in range(rng.randint(*self.words))]
        rng.shuffle(pieces)
        sentences = [pieces[i : i + 3] for i in range(0, len(pieces), 3)]
        # A sentence begins with a capital, too: that alone makes no name.
        text = " ".join(
            f"{word(rng, 1).capitalize()} {' '.join(sentence)}." for sentence in sentences
        )
        found = [piece for piece in pieces if piece[0].isupper()]
        answer = ",".join(dict.fromkeys(found))
        return Example(
            prompt=f"{text}=",
            completion=";".join(found) + MARKER + answer,
            answer=answer,
            difficulty=len(found),
        )
