r"""Answers as LaTeX writes them: the content of ``\boxed{...}``, and which contents are equal."""

import re
from decimal import Decimal
from fractions import Fraction

from limbeck.data.numbers import as_number

_BOX = "\\boxed{"
_DECORATION = re.compile(r"\\[!,;: ]|\\left(?![a-z])|\\right(?![a-z])|\\?\$|\s")
_FRACTION = re.compile(r"(-?)\\frac(?:\{(-?[0-9.,]+)\}|([0-9]))(?:\{(-?[0-9.,]+)\}|([0-9]))")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=(?:[0-9]{3},)*[0-9]{3}(?![0-9]))")
_PLAIN_FRACTION = re.compile(r"(-?[0-9.,]+)/(-?[0-9.,]+)")


def last_boxed(text: str) -> str | None:
    r"""What stands in the last ``\boxed{...}`` whose braces close; None where there is none."""
    end = len(text)
    while (start := text.rfind(_BOX, 0, end)) >= 0:
        inside = _to_closing_brace(text, start + len(_BOX), end)
        if inside is not None:
            return inside
        end = start
    return None


def same_value(found: str, wanted: str) -> bool:
    r"""Whether two answers are the same number, or the same text up to decoration.

    ``\frac{1}{2}``, ``1/2`` and ``0.50`` are equal. White space, ``$``, thin spaces,
    ``\left``, ``\right`` and a closing full stop do not count.
    """
    found, wanted = _bare(found), _bare(wanted)
    numbers = _value(found), _value(wanted)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return found != "" and found == wanted


def _to_closing_brace(text: str, start: int, end: int) -> str | None:
    # A box that has not closed before the next one begins is broken: no text is read twice.
    depth = 1
    for place in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[start:place]
    return None


def _bare(text: str) -> str:
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    return _DECORATION.sub("", text).removesuffix(".")


def _value(text: str) -> Fraction | None:
    match = _FRACTION.fullmatch(text)
    if match:
        sign, above, digit_above, below, digit_below = match.groups()
        return _ratio(sign + (above or digit_above), below or digit_below)
    match = _PLAIN_FRACTION.fullmatch(text)
    if match:
        return _ratio(*match.groups())
    number = _number(text.replace("\\%", "%"))
    return None if number is None else Fraction(number)


def _number(text: str) -> Decimal | None:
    # "1,2" are two answers, "1,200" is one.
    return None if "," in _THOUSANDS.sub("", text) else as_number(text)


def _ratio(above: str, below: str) -> Fraction | None:
    numbers = _number(above), _number(below)
    if numbers[0] is None or not numbers[1]:
        return None
    return Fraction(numbers[0]) / Fraction(numbers[1])
