"""Worked solutions as a table: what a person reads, and what another student is trained on."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.data import Example, Sequence
from limbeck.files import new_file
from limbeck.methods import Rationale, Rationales


def keep_rationales(
    path: Path,
    train: list[Example],
    rows: list[Sequence],
    rationales: Rationales,
    earlier: Rationales,
) -> None:
    """Write the table; it takes its name when it is complete.

    Beside ``rationale``, what is trained on, stand ``solution``, the teacher's newest, which is
    another where the student's own words are trained on, and ``earlier``, its solution before.

    Args:
        path: Where.
        train: All training rows.
        rows: Those that are trained on, completed.
        rationales: Their solutions.
        earlier: The teacher's solutions of the rounds before.
    """
    examples = [train[s.example] for s in rows]
    columns = {
        "example": [s.example for s in rows],
        "key": [e.key for e in examples],
        "question": [e.question for e in examples],
        "answer": [e.answer for e in examples],
        "rationale": [rationales[s.example].text for s in rows],
        "origin": [rationales[s.example].origin for s in rows],
        "solution": [_teachers(rationales[s.example], earlier.get(s.example)) for s in rows],
        "earlier": [earlier[s.example].text if s.example in earlier else None for s in rows],
        "tokens": [list(s.completion) for s in rows],
    }
    with new_file(path) as partial:
        pq.write_table(pa.table(columns), partial)


def read_solutions(path: Path) -> Rationales:
    """The teacher's newest solution of each row: not what a student wrote instead."""
    table = pq.read_table(path, columns=["example", "solution"]).to_pydict()
    rows = zip(table["example"], table["solution"], strict=True)
    return {i: Rationale(text, "earlier") for i, text in rows if text is not None}


def _teachers(rationale: Rationale, earlier: Rationale | None) -> str | None:
    if rationale.origin != "own":
        return rationale.text
    return None if earlier is None else earlier.text
