"""Sorting a list of numbers by always taking the smallest."""

import random
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range


@dataclass(frozen=True)
class ListSorting(Task):
    """``7,3,9>`` becomes ``3:7,9;7:9;9:#3,7,9``.

    Each step of the selection sort: the smallest number left and, after ``:``, the rest in
    their order.

    Attributes:
        items: Fewest and most numbers in a list; their number is the difficulty.
        largest: Numbers are drawn from 0 to this one.
    """

    items: tuple[int, int] = (3, 6)
    largest: int = 99
    alphabet: ClassVar[str] = "0123456789,:;>#"

    def __post_init__(self) -> None:
        check_range("items", self.items, least=2)
        if self.largest < 1:
            raise ValueError(f"largest is at least 1, not {self.largest}")

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        numbers = [rng.randint(0, self.largest) for _ in range(rng.randint(*self.items))]
        rest, steps = list(numbers), []
        while rest:
            smallest = min(rest)
            rest.remove(smallest)
            steps.append(f"{smallest}:{_joined(rest)}")
        answer = _joined(sorted(numbers))
        return Example(
            prompt=_joined(numbers) + ">",
            completion=";".join(steps) + f"{MARKER}{answer}",
            answer=answer,
            difficulty=len(numbers),
        )


def _joined(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))
