"""Do two worked solutions take the same steps? Equations as sets, operators as sequences."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """The steps of a worked solution.

    Attributes:
        equations: One text for each, so written that equal equations are equal texts.
        operators: What is calculated with, in order: ``("+", "*", ...)``.
    """

    equations: tuple[str, ...]
    operators: tuple[str, ...]


def equation_jaccard(a: Steps, b: Steps) -> float:
    """Equations that both solutions have over those that either has, from 0 to 1.

    Two solutions without an equation have nothing in common: 0.
    """
    one, other = set(a.equations), set(b.equations)
    return len(one & other) / len(one | other) if one or other else 0.0


def operator_similarity(a: Steps, b: Steps) -> float:
    """1 - edit distance of the sequences of operators / length of the longer; 1 where both are empty."""
    longest = max(len(a.operators), len(b.operators))
    return 1 - _edits(a.operators, b.operators) / longest if longest else 1.0


def step_ratio(a: Steps, b: Steps) -> float:
    """Equations of a over equations of b.

    Raises:
        ValueError: b has none.
    """
    if not b.equations:
        raise ValueError("a solution without an equation has no steps to compare with")
    return len(a.equations) / len(b.equations)


def _edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Insertions, deletions and replacements that make b of a (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]
