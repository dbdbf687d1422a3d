"""Column addition with the carries written out."""

import random
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range


@dataclass(frozen=True)
class LongAddition(Task):
    """``478+95=`` becomes ``8+5+0=13:3c1;7+9+1=17:7c1;4+0+1=5:5c0#573``.

    Each column, from the right: digit, digit and carry in; their sum; the digit to write and,
    after ``c``, the carry out.

    Attributes:
        digits: Fewest and most digits of a summand; those of the longer one are the difficulty.
    """

    digits: tuple[int, int] = (2, 4)
    alphabet: ClassVar[str] = "0123456789+=:;c#"

    def __post_init__(self) -> None:
        check_range("digits", self.digits, least=1)

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        first, second = self._summand(rng), self._summand(rng)
        columns, carry = [], 0
        for a, b in zip_longest(reversed(first), reversed(second), fillvalue="0"):
            total = int(a) + int(b) + carry
            columns.append(f"{a}+{b}+{carry}={total}:{total % 10}c{total // 10}")
            carry = total // 10
        answer = str(int(first) + int(second))
        return Example(
            prompt=f"{first}+{second}=",
            completion=";".join(columns) + f"{MARKER}{answer}",
            answer=answer,
            difficulty=max(len(first), len(second)),
        )

    def _summand(self, rng: random.Random) -> str:
        digits = rng.randint(*self.digits)
        return str(rng.randint(10 ** (digits - 1), 10**digits - 1))
