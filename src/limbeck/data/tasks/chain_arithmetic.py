"""Sums and differences of single digits, worked from left to right."""

import random
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range


@dataclass(frozen=True)
class ChainArithmetic(Task):
    """``1+4-3-6-8=`` becomes ``1+4=5;5-3=2;2-6=-4;-4-8=-12#-12``.

    Attributes:
        terms: Fewest and most numbers in a problem; their number is the difficulty.
    """

    terms: tuple[int, int] = (3, 5)
    alphabet: ClassVar[str] = "0123456789+-=;#"

    def __post_init__(self) -> None:
        check_range("terms", self.terms, least=2)

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        terms = rng.randint(*self.terms)
        running = rng.randint(1, 9)
        prompt, steps = str(running), []
        for _ in range(terms - 1):
            operator, term = rng.choice("+-"), rng.randint(1, 9)
            result = running + term if operator == "+" else running - term
            prompt += f"{operator}{term}"
            steps.append(f"{running}{operator}{term}={result}")
            running = result
        return Example(
            prompt=prompt + "=",
            completion=";".join(steps) + f"{MARKER}{running}",
            answer=str(running),
            difficulty=terms,
        )
