"""The steps of a worked solution: its equations, so written that equal ones are equal texts."""

from collections.abc import Sequence

from limbeck.analysis import Steps
from limbeck.tutoring.arithmetic import equalities, without_notes
from limbeck.tutoring.lexemes import Lexeme, plain
from limbeck.tutoring.sides import Side


def steps_of(text: str) -> Steps:
    """The equations of a text and the operators in them, in order.

    ``$2 x 3 = 6.00`` and ``3 * 2 eggs = 6`` are the same equation: units and digits without worth do
    not count, nor does the order of terms that are only added, or only multiplied. Something like
    ``x = 5``, in which nothing is calculated, is none. A calculator's notes (``<<2*3=6>>``) count
    where the text has no equation beside them.
    """
    said, notes = without_notes(text)
    found = _sums(plain(said)) or [pair for note in notes for pair in _sums(plain(note))]
    equations = [f"{_canonical(left.terms)}={_canonical(right.terms)}" for left, right in found]
    operators = [
        t.text
        for pair in found
        for side in pair
        if not side.alone
        for t in side.terms
        if t.kind == "operator"
    ]
    return Steps(tuple(dict.fromkeys(equations)), tuple(operators))


def _sums(text: str) -> list[tuple[Side, Side]]:
    return [
        (left, right) for left, right, _ in equalities(text) if not (left.alone and right.alone)
    ]


def _canonical(terms: Sequence[Lexeme]) -> str:
    operators = {t.text for t in terms if t.kind == "operator"}
    parts = [_written(t) for t in terms]
    if operators in ({"+"}, {"*"}) and not any(t.kind in ("open", "close") for t in terms):
        operator = operators.pop()
        return operator.join(sorted(part for part in parts if part != operator))
    return "".join(parts)


def _written(lexeme: Lexeme) -> str:
    if lexeme.kind != "number":
        return {"open": "(", "close": ")"}.get(lexeme.kind, lexeme.text)
    return f"{lexeme.value}{'%' if lexeme.percent else ''}"
