"""What a sum comes to, exactly."""

from collections.abc import Sequence
from fractions import Fraction

from limbeck.tutoring.lexemes import Lexeme


def value(terms: Sequence[Lexeme], per_cent: bool) -> Fraction | None:
    """What a sum comes to; None where it divides by zero or is none.

    Args:
        terms: Numbers, operators and brackets.
        per_cent: Whether ``20%`` counts as 0.2, or as 20.
    """
    try:
        total, rest = _sum(terms, 0, per_cent)
    except (ZeroDivisionError, IndexError):
        return None
    return total if rest == len(terms) else None


def _sum(terms: Sequence[Lexeme], place: int, per_cent: bool) -> tuple[Fraction, int]:
    total, place = _product(terms, place, per_cent)
    while place < len(terms) and terms[place].text in ("+", "-"):
        sign = 1 if terms[place].text == "+" else -1
        term, place = _product(terms, place + 1, per_cent)
        total += sign * term
    return total, place


def _product(terms: Sequence[Lexeme], place: int, per_cent: bool) -> tuple[Fraction, int]:
    total, place = _factor(terms, place, per_cent)
    while place < len(terms) and (terms[place].text in ("*", "/") or terms[place].kind == "open"):
        divides = terms[place].text == "/"
        place += terms[place].kind != "open"  # 2(3 + 4)
        factor, place = _factor(terms, place, per_cent)
        total = total / factor if divides else total * factor
    return total, place


def _factor(terms: Sequence[Lexeme], place: int, per_cent: bool) -> tuple[Fraction, int]:
    first = terms[place]
    if first.kind == "number":
        return first.value / (100 if first.percent and per_cent else 1), place + 1
    if first.text in ("-", "+"):
        inside, rest = _factor(terms, place + 1, per_cent)
        return (-inside if first.text == "-" else inside), rest
    if first.kind != "open":
        raise IndexError(place)
    inside, rest = _sum(terms, place + 1, per_cent)
    if terms[rest].kind != "close":
        raise IndexError(rest)
    return inside, rest + 1
