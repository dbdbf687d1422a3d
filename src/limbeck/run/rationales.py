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

    Args:
        path: Where.
        train: All training rows.
        rows: Those that are trained on, completed.
        rationales: Their solutions.
        earlier: The solutions of the round before.
    """
    examples = [train[s.example] for s in rows]
    columns = {
        "example": [s.example for s in rows],
        "key": [e.key for e in examples],
        "question": [e.question for e in examples],
        "answer": [e.answer for e in examples],
        "rationale": [rationales[s.example].text for s in rows],
        "origin": [rationales[s.example].origin for s in rows],
        "earlier": [earlier[s.example].text if s.example in earlier else None for s in rows],
        "tokens": [list(s.completion) for s in rows],
    }
    with new_file(path) as partial:
        pq.write_table(pa.table(columns), partial)


def read_rationales(path: Path) -> Rationales:
    """What `keep_rationales` wrote."""
    table = pq.read_table(path).to_pydict()
    columns = (table[name] for name in ("example", "rationale", "origin"))
    return {i: Rationale(text, origin) for i, text, origin in zip(*columns, strict=True)}
