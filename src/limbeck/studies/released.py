"""The released tables of a study on distillation, as a finished study of ours.

"On the Generalization vs Fidelity Paradox in Knowledge Distillation" (arXiv 2505.15442): 11 pairs of
teacher and student, three methods, 6 + 8 tasks, one seed, temperatures 1, 2 and 5 for some of the
cells. What was published about them is found again in `limbeck.studies.published`.

The paper's methods are named after what its code does: ``kd`` (forward KL on the data's text; its
"SeqKD"), ``revkd`` (reverse KL) and ``gkd``. Agreement and similarity of explanations were released
for one method only; as in the paper, they stand for all three.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import RequestError

AXES = ("data", "student", "teacher", "method", "method.temperature", "teacher.sft")
DOMAINS = {"maths": ("math", "EM1", "BLEU"), "commonsense": ("cs", "EM1_cs", None)}
"""Name of a domain to the part of its files' names, its agreement and its similarity."""

_METHODS = {"KD": "kd", "RevKD": "revkd", "GKD": "gkd"}
_TRAINED = re.compile(r"student_(KD|RevKD|GKD)_(base_teacher_)?temp_([\d.]+)")
AVERAGE = "Average"
_LABELS = ("Teacher", "Student", "Method", "Pair")
_SEED = 6
_METRICS = (
    "recovered", "validation_score", "excess_agreement", "agreement_gain",
    "fidelity_gain", "fidelity_top1", "fidelity_kl",
    "equation_jaccard", "unfaithful", "invalid_rate", "truncation_rate", "advantage", "deficit",
    "retention", "repair", "wall_seconds", "train_seconds", "tokens_generated",
    "peak_memory_bytes", "recipe_hash", "items", "n", "score_low", "score_high",
)  # fmt: skip

Table = dict[str, list[Any]]


@dataclass(frozen=True)
class Released:
    """The released tables; scores as shares.

    Attributes:
        table: One row for each trained student and task.
        averages: One row for each, its average as released (rounded by itself, so that the mean of
            a row's tasks can differ by 0.01 points).
    """

    table: Table
    averages: Table


def read_released(folder: str | Path) -> Released:
    """Read the tables.

    Args:
        folder: Holds ``math_results_main.csv``, ``cs_results_main.csv``, their ``llama_`` companions,
            and ``EM1.csv``, ``EM1_cs.csv``, ``BLEU.csv``.

    Raises:
        RequestError: A file is missing, or is another than was released.
    """
    folder = Path(folder)
    rows = [row for domain in DOMAINS for row in _domain(folder, domain)]
    means = [row for row in rows if row["task"] == AVERAGE]
    tasks = [row for row in rows if row["task"] != AVERAGE]
    return Released(*({c: [row[c] for row in some] for c in rows[0]} for some in (tasks, means)))


def released_axes(table: Table) -> dict[str, list[Any]]:
    """The labels of each axis of the table, and the tasks."""
    return {name: list(dict.fromkeys(table[name])) for name in (*AXES, "task")}


def _domain(folder: Path, domain: str) -> list[dict[str, Any]]:
    part, agreement, similarity = DOMAINS[domain]
    source = [
        *_read(folder / f"{part}_results_main.csv"),
        *_read(folder / f"llama_{part}_results.csv"),
    ]
    alone: dict[tuple[str, str], dict[str, float]] = {}  # of a model, base or fine-tuned
    for row in source:
        if row["Method"] in ("SFT", "BaseModel"):
            alone[row["Student"], row["Method"]] = _scores(row, folder)
    beside = {"agreement": _pairs(folder, agreement), "similarity": _pairs(folder, similarity)}
    found = []
    for row in source:
        trained = _TRAINED.fullmatch(row["Method"])
        if not trained:
            continue
        student, teacher = row["Student"], re.sub(r"_ckpt\d+$", "", row["Teacher"])
        how = "none" if trained[2] else "task"
        labels = {
            "data": domain,
            "student": student,
            "teacher": teacher,
            "method": _METHODS[trained[1]],
            "method.temperature": float(trained[3]),
            "teacher.sft": how,
        }
        cell = " | ".join(map(str, labels.values()))
        for task, score in _scores(row, folder).items():
            own = {name: alone[student, name][task] for name in ("SFT", "BaseModel")}
            known = alone[teacher, "SFT" if how == "task" else "BaseModel"][task]
            pair = (teacher, student, task)
            found.append(
                {
                    "run": cell,
                    "cell": cell,
                    "seed": _SEED,
                    "task": task,
                    **labels,
                    "student_parameters": _parameters(student),
                    "teacher_parameters": _parameters(teacher),
                    "metric": "accuracy",
                    "score": score / 100,
                    "sft_score": own["SFT"] / 100,
                    "before_score": own["BaseModel"] / 100,
                    "teacher_score": known / 100,
                    # Subtracted in points, as the paper's notebooks do: shares round otherwise,
                    # and ranks that are tied but for rounding would be others.
                    "improvement": (score - own["SFT"]) / 100,
                    **{name: pairs.get(pair) for name, pairs in beside.items()},
                    **dict.fromkeys(_METRICS),
                    "status": "done",
                }
            )
    return found


def _pairs(folder: Path, name: str | None) -> dict[tuple[str, str, str], float]:
    """Of distilled students: what was measured with teacher, student and task."""
    if name is None:
        return {}
    path = folder / f"{name}.csv"
    return {
        (row["Teacher"], row["Student"], task): score / 100
        for row in _read(path)
        if row["Method"] == "KD"
        for task, score in _scores(row, path).items()
    }


def _scores(row: dict[str, str], where: Path) -> dict[str, float]:
    """Scores by task, in points of a hundred as they stand."""
    try:
        return {name: float(row[name]) for name in row if name not in _LABELS}
    except (TypeError, ValueError):
        raise RequestError(
            f"a score of {row.get('Student')} is no number",
            where=str(where),
            mend="use the tables as they were released",
        ) from None


def _parameters(name: str) -> int:
    size = re.search(r"-([\d.]+)B$", name)
    if size is None:
        raise RequestError(
            f"{name!r} does not end with a size such as -1.5B",
            where="released tables",
            mend="use the tables as they were released",
        )
    return round(float(size[1]) * 1e9)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise RequestError(
            f"{path.name} is missing",
            where=str(path.parent),
            mend="give the folder with the released tables: limbeck study import FOLDER",
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {"Teacher", "Student", "Method"}
    if not rows or not wanted <= set(rows[0]):
        raise RequestError(
            f"{path.name} has no columns {', '.join(sorted(wanted))}",
            where=str(path.parent),
            mend="use the tables as they were released",
        )
    return rows
