"""Ways to read an answer out of a completion, and ways to grade it; none raises on any text."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from limbeck.data import EXTRACTORS as VERIFIED
from limbeck.data.boxed import last_boxed
from limbeck.data.numbers import as_number, last_number_in
from limbeck.evaluation.tasks.entities import (
    entity_list,
    exact_f1,
    partial_f1,
    partial_f1_official,
)
from limbeck.evaluation.tasks.maths import last_box, same_answer
from limbeck.evaluation.tasks.symbolic import same_or_equivalent
from limbeck.evaluation.tasks.vqa import vqa_accuracy

Extract = Callable[[str], Any | None]
Grade = Callable[[Any, Any], float]

_MARKED = re.compile(r"#### (-?[0-9.,]+)")
_FIRST_LETTER = re.compile(r"[A-F]")
_YES_NO_MAYBE = re.compile(r"\b(yes|no|maybe)\b")


def marked_or_boxed(completion: str) -> str | None:
    r"""The number after the first ``####``, else what the last ``\boxed{}`` holds, without commas."""
    found = _MARKED.search(completion)
    content = found.group(1) if found else last_boxed(completion)
    if content is None:
        return None
    return re.sub(r"\\!|\\?\$|[,\s]", "", content) or None


def last_number(completion: str) -> str | None:
    """The last number; ``$``, ``%``, thousands commas and a closing full stop do not count."""
    number = last_number_in(completion)
    return None if number is None else str(number)


def first_letter(completion: str) -> str | None:
    """The first of the capital letters A to F, wherever it stands."""
    found = _FIRST_LETTER.search(completion)
    return found.group() if found else None


def yes_no_maybe(completion: str) -> str | None:
    """The first ``yes``, ``no`` or ``maybe`` that is a word."""
    found = _YES_NO_MAYBE.search(completion.lower())
    return found.group() if found else None


def first_of(labels: tuple[str, ...]) -> Extract:
    """An extractor of the first of some labels that stands in the text as a word."""
    longest = sorted(labels, key=len, reverse=True)
    words = re.compile(
        "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest), re.IGNORECASE
    )
    spelt = {name.lower(): name for name in labels}

    def extract(completion: str) -> str | None:
        found = words.search(completion)
        return spelt.get(found.group().lower()) if found else None

    return extract


def number_within(tolerance: str) -> Grade:
    """A grade: 1 where both are numbers that differ by at most so much."""
    bound = Decimal(tolerance)

    def grade(found: str, gold: Any) -> float:
        numbers = as_number(str(found)), as_number(str(gold))
        if numbers[0] is None or numbers[1] is None:
            return 0.0
        # Compared as fractions: a Decimal difference is rounded to 28 digits.
        first, second = (n.as_integer_ratio() for n in numbers if n is not None)
        top, bottom = bound.as_integer_ratio()
        apart = abs(first[0] * second[1] - second[0] * first[1])
        return float(apart * bottom <= top * first[1] * second[1])

    return grade


def same_text(found: str, gold: Any) -> float:
    """1 where both are the same text up to white space."""
    return float(str(found).split() == str(gold).split())


def same_letters(found: str, gold: Any) -> float:
    """1 where both are the same text up to white space and capitals."""
    return same_text(str(found).casefold(), str(gold).casefold())


EXTRACTORS: dict[str, Extract] = {
    **VERIFIED,
    "box": last_box,
    "first_letter": first_letter,
    "list": entity_list,
    "marked_or_boxed": marked_or_boxed,
    "yes_no_maybe": yes_no_maybe,
}
SCORERS: dict[str, Grade] = {
    "exact": same_text,
    "exact_f1": exact_f1,
    "ignore_case": same_letters,
    "maths": same_answer,
    "maths_symbolic": same_or_equivalent,
    "number": number_within("1e-6"),
    "partial_f1": partial_f1,
    "partial_f1_official": partial_f1_official,
    "vqa": vqa_accuracy,
}
