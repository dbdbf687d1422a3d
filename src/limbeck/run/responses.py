"""A teacher's answers as a table that a person can read: what was asked, written and kept."""

import json
from collections import Counter
from collections.abc import Sequence as Rows
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.data import Example, Verify
from limbeck.files import new_file
from limbeck.sources import Answer, Verdict

FILE = "responses.parquet"
SCHEMA = pa.schema(
    [
        ("example", pa.int32()),
        ("key", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("tokens", pa.int32()),
        ("finished", pa.bool_()),
        ("correct", pa.bool_()),
        ("verdict", pa.string()),
    ]
)


def response(
    example: Example, answer: Answer, tokens: int, verdict: Verdict, verify: Verify | None
) -> dict[str, Any]:
    """A row of the table.

    Args:
        example: What was asked.
        answer: What came back.
        tokens: How long that is.
        verdict: Whether it is learned from.
        verify: Tells right from wrong; None where no row has an answer.

    Returns:
        The columns of `SCHEMA`; ``correct`` is None where nobody can tell, and a conversation is
        JSON, as ``[{"role": ..., "content": ...}, ...]``.
    """
    prompt, gold = example.prompt, answer.gold
    return {
        "example": answer.example,
        "key": example.key,
        "prompt": prompt
        if isinstance(prompt, str)
        else json.dumps([asdict(turn) for turn in prompt], ensure_ascii=False),
        "response": answer.text,
        "tokens": tokens,
        "finished": answer.finished,
        "correct": None if verify is None or gold is None else verify(answer.text, gold),
        "verdict": verdict,
    }


def figures(rows: Rows[dict[str, Any]]) -> dict[str, Any]:
    """What ``results.json`` says of the teacher's text.

    Returns:
        ``answered_by_teacher`` counts prompts, ``correct`` is the share of the answers that can be
        verified, None where none can; all others count answers. ``finished`` is the sum of
        ``kept``, ``wrong`` and ``duplicates``.
    """
    verdicts = Counter(row["verdict"] for row in rows)
    checked = [row["correct"] for row in rows if row["correct"] is not None]
    return {
        "answered_by_teacher": len({row["example"] for row in rows}),
        "answers": len(rows),
        "finished": sum(row["finished"] for row in rows),
        "kept": verdicts["kept"],
        "unfinished": verdicts["unfinished"],
        "wrong": verdicts["wrong"],
        "duplicates": verdicts["duplicate"],
        "correct": sum(checked) / len(checked) if checked else None,
    }


def lengths(rows: Rows[dict[str, Any]]) -> dict[str, float] | None:
    """Tokens of the answers that are kept: smallest, median, mean, 95th percentile, largest."""
    tokens = np.array([row["tokens"] for row in rows if row["verdict"] == "kept"])
    if not len(tokens):
        return None
    low, median, high, most = np.quantile(tokens, [0, 0.5, 0.95, 1]).tolist()
    return {"min": low, "median": median, "mean": float(tokens.mean()), "95%": high, "max": most}


def keep_responses(rows: Rows[dict[str, Any]], path: Path) -> None:
    """Write the table; it takes its name when it is complete."""
    with new_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), partial)
