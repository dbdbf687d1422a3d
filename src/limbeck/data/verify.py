"""Named ways to tell whether a completion gives the right answer; none raises on any text."""

import re
from decimal import Decimal

from limbeck.data.examples import Verify

# A sign counts only where nothing stands before it that it could subtract from.
_NUMBER = re.compile(
    r"(?:(?<![\w)])-)?\$?"
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
)
_PLAIN = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def exact(completion: str, answer: str) -> bool:
    """Whether both are the same text up to white space."""
    return completion.split() == answer.split()


def last_number(completion: str, answer: str) -> bool:
    """Whether the last number of the completion equals the last number of the answer.

    ``$``, thousands commas, ``%`` and a closing full stop do not count; values are compared as
    decimals, so that ``72``, ``72.0`` and ``$72.`` are equal.
    """
    found, wanted = _last(completion), _last(answer)
    return found is not None and found == wanted


def after_marker(completion: str, answer: str) -> bool:
    """Whether the line after the last ``####`` or ``#`` is the answer.

    The answer may carry its own marker and rationale before it. Numbers are compared as in
    `last_number`, anything else as text up to white space and a closing full stop.
    """
    if "#" not in completion:
        return False
    found, wanted = _marked(completion), _marked(answer)
    numbers = _as_number(found), _as_number(wanted)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return found != "" and found == wanted


VERIFIERS: dict[str, Verify] = {
    "exact": exact,
    "last_number": last_number,
    "after_marker": after_marker,
}


def _last(text: str) -> Decimal | None:
    found = _NUMBER.findall(text.replace("\N{MINUS SIGN}", "-"))
    return _as_number(found[-1]) if found else None


def _marked(text: str) -> str:
    lines = text.rsplit("#", 1)[-1].strip().splitlines()
    return " ".join(lines[0].split()).removesuffix(".") if lines else ""


def _as_number(text: str) -> Decimal | None:
    bare = re.sub(r"[$,%\s]", "", text.replace("\N{MINUS SIGN}", "-")).removesuffix(".")
    return Decimal(bare) if _PLAIN.fullmatch(bare) else None
