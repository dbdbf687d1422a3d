"""Nested expressions of and, or and not, evaluated one operator at a time."""

import random
import re
from dataclasses import dataclass
from typing import ClassVar

from limbeck.data.examples import Example
from limbeck.data.tasks.base import MARKER, Task, check_range

_INNERMOST = re.compile(r"\((?:not ([TF])|([TF]) (and|or) ([TF]))\)")


@dataclass(frozen=True)
class BooleanLogic(Task):
    """``((T and F) or (not T))=`` becomes ``(F or (not T));(F or F);F#F``.

    Each step rewrites the expression with its leftmost innermost operator evaluated.

    Attributes:
        operators: Fewest and most operators; their number is the difficulty.
    """

    operators: tuple[int, int] = (2, 5)
    alphabet: ClassVar[str] = "TF()andortn ;=#"

    def __post_init__(self) -> None:
        # The worked solution grows with the square of the operators.
        check_range("operators", self.operators, least=1, most=50)

    def problem(self, rng: random.Random) -> Example:  # noqa: D102
        operators = rng.randint(*self.operators)
        expression = _expression(rng, operators)
        steps = [expression]
        while len(steps[-1]) > 1:
            steps.append(_INNERMOST.sub(_value, steps[-1], count=1))
        return Example(
            prompt=expression + "=",
            completion=";".join(steps[1:]) + MARKER + steps[-1],
            answer=steps[-1],
            difficulty=operators,
        )


def _expression(rng: random.Random, operators: int) -> str:
    if operators == 0:
        return rng.choice("TF")
    operator = rng.choice(("and", "or", "not"))
    if operator == "not":
        return f"(not {_expression(rng, operators - 1)})"
    left = rng.randint(0, operators - 1)
    right = operators - 1 - left
    return f"({_expression(rng, left)} {operator} {_expression(rng, right)})"


def _value(match: re.Match[str]) -> str:
    negated, left, operator, right = match.groups()
    if negated:
        return "F" if negated == "T" else "T"
    pair = (left == "T", right == "T")
    return "T" if (all(pair) if operator == "and" else any(pair)) else "F"
