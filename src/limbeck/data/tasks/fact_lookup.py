"""Questions about a handful of facts, some of which refer to others."""

import random
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range
from limbeck.data.tasks.syllables import ALPHABET, distinct


@dataclass(frozen=True)
class FactLookup(Task):
    """``da is 7,ko is da,ti is 2;ko?`` becomes ``ko is da;da is 7#7``.

    Attributes:
        facts: Fewest and most facts.
        steps: Fewest and most facts that an answer goes through; their number is the difficulty.
    """

    facts: tuple[int, int] = (4, 6)
    steps: tuple[int, int] = (1, 3)
    alphabet: ClassVar[str] = ALPHABET + "0123456789 ,;?#"

    def __post_init__(self) -> None:
        check_range("facts", self.facts, least=1, most=30)
        check_range("steps", self.steps, least=1, most=self.facts[0])

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        names = distinct(rng, rng.randint(*self.facts), 1)
        chain = names[: rng.randint(*self.steps)]
        answer = str(rng.randint(0, 9))
        way = [f"{a} is {b}" for a, b in zip(chain, [*chain[1:], answer], strict=True)]
        others = [f"{name} is {rng.randint(0, 9)}" for name in names[len(chain) :]]
        told = way + others
        rng.shuffle(told)
        return Example(
            prompt=f"{','.join(told)};{chain[0]}?",
            completion=";".join(way) + MARKER + answer,
            answer=answer,
            difficulty=len(chain),
        )
