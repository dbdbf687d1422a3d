"""What a model said to a task: scored, in tables, with figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.analysis import Estimate
from limbeck.evaluation.sandbox import isolation
from limbeck.evaluation.tasks import Scored
from limbeck.evaluation.tasks.code import figures
from limbeck.evaluation.tasks.code import scored as scored_code
from limbeck.evaluation.tasks.programs import Attempt
from limbeck.files import new_file
from limbeck.run.tasks.asked import Asked, Outcome
from limbeck.run.tasks.programs import tried


def kept(asked: Asked, outputs: Sequence[Any], folder: Path, *, unsafe: bool = False) -> Outcome:
    """Score outputs, write their table, and give the figures.

    Args:
        asked: The task.
        outputs: Of choices, the log-probabilities of the tokens of each; else texts, each with
            whether it was cut; of code, one or several of these to each item.
        folder: Of the table.
        unsafe: Run programs without a sandbox where this machine has none.
    """
    task, scored, texts = asked.task, [], []
    if task.kind == "code":
        found = _kept_code(asked, tried(asked, outputs, folder, unsafe=unsafe), folder)
        return replace(found, about=found.about | {"isolation": isolation(unsafe=unsafe)})
    for item, out in zip(asked.items, outputs, strict=True):
        text, cut = (out, False) if task.kind == "choices" else out
        scored.append(task.score(item, text, truncated=cut))
        texts.append(json.dumps([sum(c) for c in text]) if task.kind == "choices" else text)
    return _outcome(asked, scored, texts, task.metrics(scored), folder)


def write_table(path: Path, rows: dict[str, Any]) -> None:
    """A row for each item; what is correct may be unknown of all of them."""
    columns = {
        name: pa.array(values, pa.bool_()) if name == "correct" else values
        for name, values in rows.items()
    }
    with new_file(path) as partial:
        pq.write_table(pa.table(columns), partial)


def _kept_code(asked: Asked, attempts: Sequence[Sequence[Attempt]], folder: Path) -> Outcome:
    """``TASK.samples.parquet`` has every program; the task's own table the first of each problem."""
    every = [
        (item.id, number, attempt)
        for item, several in zip(asked.items, attempts, strict=True)
        for number, attempt in enumerate(several)
    ]
    columns: dict[str, Any] = {
        "id": [name for name, _, _ in every],
        "sample": [number for _, number, _ in every],
        "output": [a.program for _, _, a in every],
        "text": [a.text for _, _, a in every],
        "status": [a.status for _, _, a in every],
        "correct": [a.passed for _, _, a in every],
        "invalid": [a.empty for _, _, a in every],
        "truncated": [a.truncated for _, _, a in every],
        "stderr": [a.stderr for _, _, a in every],
        "seconds": [a.seconds for _, _, a in every],
    }
    write_table(folder / f"{asked.task.name}.samples.parquet", columns)
    scored = [scored_code(i, several) for i, several in zip(asked.items, attempts, strict=True)]
    return _outcome(asked, scored, [a[0].program for a in attempts], figures(attempts), folder)


def _outcome(
    asked: Asked,
    scored: list[Scored],
    texts: list[str],
    metrics: Mapping[str, Estimate | None],
    folder: Path,
) -> Outcome:
    rows = _columns(asked, scored, texts)
    write_table(folder / f"{asked.task.name}.parquet", rows)
    found = {name: None if e is None else e.as_dict() for name, e in metrics.items()}
    return Outcome(asked.about(), found, rows)


def _columns(asked: Asked, scored: list[Scored], texts: list[str]) -> dict[str, Any]:
    return {
        "id": [s.id for s in scored],
        "document": [s.document for s in scored],
        "prompt": [
            "\n".join(m.content for m in i.messages) if asked.chat else i.prompt
            for i in asked.items
        ],
        "output": texts,
        "gold": [json.dumps(s.gold, ensure_ascii=False) for s in scored],
        "extracted": [json.dumps(s.extracted, ensure_ascii=False, default=str) for s in scored],
        "correct": [s.correct for s in scored],
        "invalid": [s.invalid for s in scored],
        "truncated": [s.truncated for s in scored],
    }
