"""False equalities in a worked solution: every ``a op b = c`` calculated again, exactly."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from limbeck.tutoring.lexemes import Lexeme, lexemes, plain
from limbeck.tutoring.sides import Side, side_after, side_before
from limbeck.tutoring.sums import value

_CALCULATOR = re.compile(r"<<([^<>\n]{0,300})>>")

# Units of which one is a round number of another: "3 * 20 minutes = 1 hour" is true.
_UNIT_NAMES = """
second minute hour day week weekday weekend month year decade cent dollar quarter dime nickel penny
pennie inch inche foot feet yard mile meter metre km kilometer cm centimeter mm millimeter ounce oz
pound lb kg kilogram kilo gram mg ton tonne pint quart gallon cup liter litre ml milliliter tablespoon
teaspoon tbsp tsp
"""
_UNITS = frozenset(_UNIT_NAMES.split())
_FACTORS = (
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    12,
    16,
    20,
    24,
    25,
    30,
    36,
    52,
    60,
    100,
    168,
    365,
    1000,
    1440,
    3600,
)


def false_equalities(text: str) -> list[str]:
    """Equalities of the text that do not hold, as they are written, in their order.

    Understood are ``16 - 3 - 4 = 9``, brackets, chains, ``$9 * 2 = $18 a day``, ``3 x 4``,
    ``20% of 50``, decimals, thousands commas, units after numbers, and a calculator's notes in
    ``<<...>>``. Not counted are results that some rounding to the digits shown explains, sums
    that run on (``2+3=5+1=6``), and whatever might be meant in another way than it is written.
    """
    found: dict[str, str] = {}
    said, notes = without_notes(text)
    for part in (plain(said), *map(plain, notes)):
        for span in _false(part):
            found.setdefault(re.sub(r"[\s$]", "", span), " ".join(span.split()))
    return list(found.values())


def equalities(text: str) -> Iterator[tuple[Side, Side, str]]:
    """Both sides of each equals sign that stands between numbers, and how that is written.

    Args:
        text: Plain, as `limbeck.tutoring.lexemes.plain` makes it.
    """
    tokens = lexemes(text)
    signs = [i for i, t in enumerate(tokens) if t.kind == "equals"]
    bounds = [-1, *signs, len(tokens)]
    for before, sign, after in zip(bounds, signs, bounds[2:], strict=False):
        left = side_before(tokens, sign, before + 1)
        right = side_after(tokens, sign + 1, after)
        if left is None or right is None or left.unsure or right.unsure:
            continue
        whole = before >= 0 and left.terms == tuple(tokens[before + 1 : sign])
        if left.alone and not whole:
            continue  # "1 hour = 60", "day 2 = 15": a name or a unit as likely as a sum
        yield left, right, text[left.terms[0].start : right.terms[-1].end]


def without_notes(text: str) -> tuple[str, list[str]]:
    """The text without a calculator's notes in ``<<...>>``, and those notes."""
    return _CALCULATOR.sub("", text), _CALCULATOR.findall(text)


def _false(text: str) -> Iterator[str]:
    for left, right, written in equalities(text):
        if not (_equal(left, right) or _converts(left, right) or _mixes_percentages(left, right)):
            yield written


def _equal(left: Side, right: Side) -> bool:
    """Whether both sides agree in some reading, up to rounding."""
    # The sum may run on: in 2 + 3 = 5 + 1 = 6 the first sign means the 5 alone.
    readings = [right.terms] if right.alone else [right.terms, _first(right.terms)]
    for per_cent in (True, False):
        total = value(left.terms, per_cent)
        if total is None:
            return True
        for terms in readings:
            for other in (True, False):
                shown = value(terms, other)
                if shown is None or _rounds(total, shown, _step(terms, other)):
                    return True
        if left.alone:  # in a chain, the rounded one may stand first: 1 = 3 * 0.33
            shown = value(right.terms, per_cent)
            if shown is not None and _rounds(shown, total, _step(left.terms, per_cent)):
                return True
    return False


def _first(terms: Sequence[Lexeme]) -> Sequence[Lexeme]:
    """The leading number, with its sign."""
    length = next((i for i, t in enumerate(terms) if t.kind == "number"), 0) + 1
    return terms[:length] if all(t.text == "-" for t in terms[: length - 1]) else terms


def _rounds(exact: Fraction, shown: Fraction, step: Fraction) -> bool:
    """Whether rounding up, down, to the nearest or to a float makes one of the other."""
    difference = abs(exact - shown)
    noise = step * 10**6 <= 1 and difference * 10**9 < abs(exact)  # 14.999999999999998
    return not difference or difference < step or (step > 0 and noise)


def _step(terms: Sequence[Lexeme], per_cent: bool) -> Fraction:
    """The last digit's worth of a number, or of the coarsest with decimals in a sum."""
    numbers = [t for t in terms if t.kind == "number"]
    if len(numbers) == 1:
        shown = numbers[0]
        return Fraction(1, 10**shown.places * (100 if shown.percent and per_cent else 1))
    places = [t.places for t in numbers if t.places]
    return Fraction(1, 10 ** min(places)) if places else Fraction(0)


def _converts(left: Side, right: Side) -> bool:
    """Whether the sides may differ by a change of units."""
    units = {w.rstrip("s") for w in left.words + right.words} & _UNITS
    units |= {"dollar" for t in left.terms + right.terms if t.text.startswith("$")}
    units |= {"cent" for w in left.words + right.words if w == "¢"}
    if len(units) < 2:
        return False
    sums = [value(side.terms, per_cent=True) for side in (left, right)]
    if any(t.text in ("+", "-") for t in left.terms + right.terms) or not all(sums):
        return True
    ratio = abs(sums[0] / sums[1])  # type: ignore[operator]
    return any(abs(r - f) < Fraction(f, 50) for r in (ratio, 1 / ratio) for f in _FACTORS)


def _mixes_percentages(left: Side, right: Side) -> bool:
    """Whether a percentage is added to, or taken from, something else: ``50 + 10%``."""
    terms = left.terms + right.terms
    percentages = [t.percent for t in terms if t.kind == "number"]
    adds = any(t.text in ("+", "-") for t in terms)
    return any(percentages) and not all(percentages) and adds
