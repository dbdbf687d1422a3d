r"""Named ways to read the answer of a completion and to tell whether it is right.

None raises on any text. What `EXTRACTORS` reads is for people and for error tags: None says that
the completion gives no answer at all.
"""

import re

from limbeck.data.boxed import last_boxed, same_value
from limbeck.data.examples import Extract, Verify
from limbeck.data.numbers import as_number, last_number_in

# Option letters end at J: ten options are the most that known benchmarks have. A small letter is one
# only in brackets or at the end of a line: "the answer is a dog" gives none.
_SAID = re.compile(
    r"(?i:\banswer)\b\W{0,6}(?i:(?:is|option|choice)\W{1,6}){0,2}"
    r"(?:([A-J])(?![\w'’])|([a-j])(?=\)|\W{0,6}$))",  # noqa: RUF001 (an apostrophe)
    re.MULTILINE,
)
_ALONE = re.compile(r"^[^\w\n]{0,9}([A-Ja-j])[^\w\n]{0,9}$", re.MULTILINE)
_BEGINS = re.compile(r"\A\W{0,9}([A-J])[).:][^\n]*\Z")
_BRACKETED = re.compile(r"\(([A-Ja-j])\)|\\boxed\{\W?([A-J])\W?\}")
_TRUTH = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)


def exact(completion: str, answer: str) -> bool:
    """Whether both are the same text up to white space."""
    return completion.split() == answer.split()


def last_number(completion: str, answer: str) -> bool:
    """Whether the last number of the completion equals the last number of the answer.

    ``$``, thousands commas, ``%`` and a closing full stop do not count; values are compared as
    decimals, so that ``72``, ``72.0`` and ``$72.`` are equal.
    """
    found, wanted = last_number_in(completion), last_number_in(answer)
    return found is not None and found == wanted


def after_marker(completion: str, answer: str) -> bool:
    """Whether the line after the last ``####`` or ``#`` is the answer.

    The answer may carry its own marker and rationale before it. Numbers are compared as in
    `last_number`, anything else as text up to white space and a closing full stop.
    """
    if "#" not in completion:
        return False
    found, wanted = _marked(completion), _marked(answer)
    numbers = as_number(found), as_number(wanted)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return found != "" and found == wanted


def boxed(completion: str, answer: str) -> bool:
    r"""Whether the last ``\boxed{...}`` holds the answer, which may stand in a box itself.

    See `limbeck.data.boxed.same_value` for what is equal.
    """
    found, wanted = last_boxed(completion), last_boxed(answer)
    return found is not None and same_value(found, answer if wanted is None else wanted)


def choice(completion: str, answer: str) -> bool:
    """Whether the completion settles on the option letter of the answer.

    The letter is the one after the last ``answer is`` or ``answer:``; else the last that has a
    line of its own; else the one that the only line begins with; else the last in brackets.
    """
    found = _letter(completion)
    return found is not None and found == _letter(answer)


def yes_no(completion: str, answer: str) -> bool:
    """Whether the last ``yes``, ``no``, ``true`` or ``false`` says what the answer's last says."""
    found = _truth(completion)
    return found is not None and found == _truth(answer)


VERIFIERS: dict[str, Verify] = {
    "exact": exact,
    "last_number": last_number,
    "after_marker": after_marker,
    "boxed": boxed,
    "choice": choice,
    "yes_no": yes_no,
}


def _marked(text: str) -> str:
    lines = text.rsplit("#", 1)[-1].strip().splitlines()
    return " ".join(lines[0].split()).removesuffix(".") if lines else ""


def _letter(text: str) -> str | None:
    """The option letter that a text settles on, in upper case."""
    text = text.strip()
    for form in (_SAID, _ALONE, _BEGINS, _BRACKETED):
        found = form.findall(text)
        if found:
            return "".join(found[-1]).upper()
    return None


def _truth(text: str) -> str | None:
    said = _TRUTH.findall(text)
    return {"true": "yes", "false": "no"}.get(said[-1].lower(), said[-1].lower()) if said else None


def _number_text(text: str) -> str | None:
    number = last_number_in(text)
    return None if number is None else str(number)


EXTRACTORS: dict[str, Extract] = {
    "exact": lambda text: text.strip() or None,
    "last_number": _number_text,
    "after_marker": lambda text: (_marked(text) or None) if "#" in text else None,
    "boxed": lambda text: (last_boxed(text) or "").strip() or None,
    "choice": _letter,
    "yes_no": _truth,
}
