"""What the runs of a study found, as one tidy table: a row a run and task."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.files import new_file
from limbeck.studies.plan import RUNS, Planned

HELD_OUT = "held-out"
FILE = "results.parquet"
Row = dict[str, Any]

_NUMBERS = (
    *("score", "score_low", "score_high", "sft_score", "before_score", "teacher_score"),
    *("improvement", "recovered", "validation_score", "agreement", "excess_agreement"),
    *("agreement_gain", "fidelity_top1", "fidelity_kl", "fidelity_gain", "equation_jaccard"),
    *("unfaithful", "invalid_rate"),
    *("truncation_rate", "advantage", "deficit", "retention", "repair", "wall_seconds"),
    *("train_seconds",),
)
_COUNTS = (
    "seed",
    "student_parameters",
    "teacher_parameters",
    "n",
    "tokens_generated",
    "peak_memory_bytes",
)


def rows_of(run: Planned, results: Mapping[str, Any]) -> list[Row]:
    """The rows of one finished run: its own test rows, then each task."""
    metric = (
        "accuracy" if "accuracy" in results["evaluation"]["metrics"]["student"] else "bits_per_byte"
    )
    models, costs = results["models"], results["costs"]
    shared: Row = {
        "run": run.id,
        "cell": run.cell,
        "seed": run.seed,
        **axes_of_run(run),
        "student_parameters": models["student"].get("parameters"),
        "teacher_parameters": models.get("teacher", {}).get("parameters"),
        "wall_seconds": sum(costs["wall_seconds"].values()),
        "train_seconds": results["training"]["student"]["seconds"],
        "tokens_generated": costs["tokens_generated"],
        "peak_memory_bytes": costs["peak_memory_bytes"],
        "recipe_hash": run.id,
        "status": "done",
    }
    rows = [
        shared | _scores(results["evaluation"]["metrics"], metric, results["evaluation"]["items"])
    ]
    rows[0] |= {"task": HELD_OUT, "items": f"{RUNS}/{run.id}/items/student.parquet"}
    rows[0] |= _audited(results)
    validation = (results.get("validation") or {}).get(metric) or {}
    rows[0] |= {"validation_score": validation.get("value")}
    for name, task in (results.get("tasks") or {}).items():
        main = task["main"] if task["metrics"]["student"].get(task["main"]) else "accuracy"
        if not task["metrics"]["student"].get(main):
            continue
        found = {"task": name, "items": f"{RUNS}/{run.id}/tasks/student/{name}.parquet"}
        rows.append(shared | _scores(task["metrics"], main, task["n"]) | found)
    return rows


def task_name(said: str) -> str:
    """What a task of ``evaluate.tasks`` is called in the table."""
    return Path(said.partition("=")[0]).stem


def axes_of_run(run: Planned) -> Row:
    """Student, teacher and method in any case; a number where a label is one."""
    recipe = run.recipe
    teacher = recipe.teacher
    said = {
        "student": recipe.student.model or "from scratch",
        "teacher": (teacher.model or teacher.server or "from scratch") if teacher else None,
        "method": recipe.method["name"],
    }
    return said | {axis: _number(label) for axis, label in run.labels.items()}


def _number(label: str) -> Any:
    """``2`` and ``0.5`` as numbers; ``nan``, ``1_5`` and other words that Python reads as some stay."""
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", label):
        return label
    return float(label) if set(label) & set(".eE") else int(label)


def _scores(metrics: Mapping[str, Any], metric: str, n: int) -> Row:
    def value(arm: str) -> float | None:
        return ((metrics.get(arm) or {}).get(metric) or {}).get("value")

    own, student = metrics["student"][metric], metrics["student"]
    sign = -1 if metric == "bits_per_byte" else 1
    base, score = value("sft"), own["value"]
    invalid = student.get("invalid", (student.get("invalid_rate") or {}).get("value"))
    cut = student.get("truncated", (student.get("truncation_rate") or {}).get("value"))
    return {
        "metric": metric,
        "n": n,
        "score": score,
        "score_low": own["low"],
        "score_high": own["high"],
        "sft_score": base,
        "before_score": value("before"),
        "teacher_score": value("teacher"),
        "improvement": None if base is None else sign * (score - base),
        "invalid_rate": invalid,
        "truncation_rate": cut,
    }


def _audited(results: Mapping[str, Any]) -> Row:
    audit = results.get("audit") or {}

    def of(part: str, key: str, arm: str = "student") -> float | None:
        found = (audit.get(part) or {}).get(arm) or {}
        found = found.get(key) if key else found
        return (found or {}).get("value")

    def near(arm: str, key: str) -> float | None:
        texts = (audit.get("tokens") or {}).get(arm) or {}
        return ((texts.get("teacher") or texts.get("data") or {}).get(key) or {}).get("value")

    parts = ((audit.get("subdomains") or {}).get("correctness") or {}) or {}
    own = (parts.get("arms") or {}).get("student") or {}
    done = (parts.get("recovery") or {}).get("student") or {}
    return {
        "recovered": (results.get("recovered") or {}).get("value"),
        "agreement": of("agreement", "same"),
        "excess_agreement": of("excess_agreement", ""),
        "agreement_gain": _gain(of("agreement", "same"), of("agreement", "same", "sft")),
        "fidelity_top1": near("student", "top1"),
        "fidelity_kl": near("student", "kl_teacher_student"),
        "fidelity_gain": _gain(near("student", "top1"), near("sft", "top1")),
        "equation_jaccard": of("steps", "equation_jaccard"),
        "unfaithful": of("steps", "unfaithful"),
        "advantage": (own.get("advantage") or {}).get("value"),
        "deficit": (own.get("deficit") or {}).get("value"),
        "retention": (done.get("retention") or {}).get("value"),
        "repair": (done.get("repair") or {}).get("value"),
    }


def _gain(student: float | None, baseline: float | None) -> float | None:
    return None if student is None or baseline is None else student - baseline


def to_table(rows: Sequence[Row], axes: Sequence[str]) -> pa.Table:
    """Rows as a table, always with the same columns in the same order.

    Args:
        rows: In any order; the table's is by cell, seed and task.
        axes: Of the study.
    """
    first = ["run", "cell", "seed", "task", *dict.fromkeys(["student", "teacher", "method", *axes])]
    rest = [*_COUNTS[1:], "metric", *_NUMBERS, "recipe_hash", "items", "status"]
    ordered = sorted(rows, key=lambda r: (r["cell"], r["seed"], r["task"] != HELD_OUT, r["task"]))
    columns: dict[str, Any] = {}
    for name in dict.fromkeys([*first, *rest]):
        values = [row.get(name) for row in ordered]
        if name in _NUMBERS:
            columns[name] = pa.array(values, pa.float64())
        elif name in _COUNTS:
            columns[name] = pa.array(values, pa.int64())
        elif all(isinstance(v, int | float) or v is None for v in values) and name in axes:
            columns[name] = pa.array(values, pa.float64())
        else:
            columns[name] = pa.array([None if v is None else str(v) for v in values], pa.string())
    return pa.table(columns)


def write_table(table: pa.Table, path: Path) -> None:
    """Keep a table, whole or not at all."""
    with new_file(path) as partial:
        pq.write_table(table, partial)


def read_results(folder: Path) -> dict[str, Any] | None:
    """What a finished run found, or None."""
    path = folder / "results.json"
    if not path.exists() or not (folder / "report.html").exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
