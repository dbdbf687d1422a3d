"""What a built-in task is: problems without end, worked solutions, and a verifier."""

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from limbeck.data.examples import Example
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError

MARKER = "#"  # stands between the worked solution and the final answer


@dataclass(frozen=True)
class Task(ABC):
    """A procedural task; the fields of a subclass are its options.

    Attributes:
        alphabet: Every character that a prompt or a completion can contain.
    """

    alphabet: ClassVar[str]

    @abstractmethod
    def problem(self, rng: random.Random) -> Example:
        """One problem: prompt, worked solution that ends in ``#`` and the answer, difficulty."""

    def verify(self, completion: str, answer: str) -> bool:
        """Whether the text after the last ``#`` is the answer; False for text without one."""
        _, marker, given = completion.rpartition(MARKER)
        return bool(marker) and given.strip() == answer

    def extract(self, completion: str) -> str | None:
        """The text after the last ``#``; None where there is none."""
        _, marker, given = completion.rpartition(MARKER)
        return (given.strip() or None) if marker else None


def build(task: type[Task], name: str, options: dict[str, Any]) -> Task:
    """A task with its options.

    Args:
        task: The task's class.
        name: The task's name, for messages.
        options: Values by field name; lists stand for pairs.

    Raises:
        RequestError: An option that the task does not have, or a value that it cannot take.
    """
    known = [f.name for f in fields(task)]
    for option in options:
        if option not in known:
            raise RequestError(
                f"{name} has no option {option!r}",
                where=f"data.options.{option}",
                mend=did_you_mean(option, known),
            )
    try:
        return TypeAdapter(task).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("data.options", *first["loc"])))
        raise RequestError(
            f"{name} cannot take these options: {first['msg'].removeprefix('Value error, ')}",
            where=place,
            mend=f"it was given {options}",
        ) from error


def check_range(name: str, bounds: tuple[int, int], least: int, most: int | None = None) -> None:
    """Refuse a pair of bounds that is empty or outside what the task can do.

    Raises:
        ValueError: Unless ``least <= bounds[0] <= bounds[1] <= most``.
    """
    low, high = bounds
    if not least <= low <= high or (most is not None and high > most):
        limit = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{name} is a pair [fewest, most], {limit}, not {list(bounds)}")
