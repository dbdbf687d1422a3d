"""Two studies as they end: a grid of methods, students and teachers, and a grid of temperatures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

METHODS = {
    "kd": 0.020,
    "gkd": 0.045,
    "distillm": 0.048,
    "distillm2": 0.075,
}  # gain of a small student
STUDENTS = {"tiny-1m": 1_050_000, "mini-4m": 4_200_000, "base-16m": 16_400_000}
TEACHERS = {"teacher-33m": 33_000_000, "teacher-110m": 110_000_000}
TASKS = {"held-out": 0.62, "sorting": 0.48, "boolean logic": 0.70}
SECONDS = {"kd": 60, "gkd": 260, "distillm": 150, "distillm2": 210}
SEEDS = (0, 1, 2)
HYPOTHESES = [
    {
        "claim": "kd improves on SFT",
        "kind": "improvement",
        "state": "supported",
        "effect": 0.0121,
        "low": 0.0034,
        "high": 0.0208,
        "p": 0.0019,
        "p_corrected": 0.0095,
        "correction": "holm",
        "n": 18,
        "unit": "cells and tasks",
        "test": "bootstrap by student",
        "words": "Mean improvement of kd over SFT, seeds averaged, 6 cells on 3 tasks.",
        "needed_n": None,
        "note": None,
    },
    {
        "claim": "Small students gain more than large ones",
        "kind": "correlation",
        "state": "supported",
        "effect": -0.61,
        "low": -0.83,
        "high": -0.24,
        "p": 0.0008,
        "p_corrected": 0.0042,
        "correction": "holm",
        "n": 24,
        "unit": "cells",
        "test": "Spearman",
        "words": "Improvement and the student's parameters over cells.",
        "needed_n": None,
        "note": "Cells share baselines; the interval resamples students.",
    },
    {
        "claim": "gkd is better than distillm",
        "kind": "better",
        "state": "undecided",
        "effect": -0.0021,
        "low": -0.0095,
        "high": 0.0064,
        "p": 0.58,
        "p_corrected": 0.58,
        "correction": "holm",
        "n": 18,
        "unit": "pairs",
        "test": "paired bootstrap by cluster",
        "words": "Scores of gkd less those of distillm on the same students, teachers and tasks.",
        "needed_n": 1240,
        "note": None,
    },
    {
        "claim": "The largest student is no worse than its teacher",
        "kind": "non_inferior",
        "state": "refuted",
        "effect": -0.081,
        "low": -0.097,
        "high": -0.064,
        "p": 1.0,
        "p_corrected": 1.0,
        "correction": "holm",
        "n": 24,
        "unit": "cells",
        "test": "paired bootstrap by cluster",
        "words": "Scores of base-16m less its teacher's, with a margin of 2 points.",
        "needed_n": None,
        "note": None,
    },
    {
        "claim": "The four methods differ",
        "kind": "methods_differ",
        "state": "supported",
        "effect": 0.44,
        "low": 0.21,
        "high": 0.62,
        "p": 0.0001,
        "p_corrected": 0.0005,
        "correction": "holm",
        "n": 72,
        "unit": "cells",
        "test": "repeated-measures ANOVA",
        "words": "Improvement of kd, gkd, distillm and distillm2.",
        "needed_n": None,
        "note": None,
    },
]
STUDY_FILE = """base: quickstart.yaml
axes:
  method: [kd, gkd, distillm, distillm2]
  student: [tiny-1m, mini-4m, base-16m]
  teacher: [teacher-33m, teacher-110m]
seeds: [0, 1, 2]
hypotheses:
- {claim: kd improves on SFT, kind: improvement, where: {method: kd}}
"""


def study(**other: Any) -> dict[str, Any]:
    """What ``study.json`` says of the grid."""
    return {
        "schema": "limbeck.study/1",
        "name": "Methods, students and teachers",
        "created": "2026-11-21T19:00:00",
        "registered": "2026-11-20T19:00:00",
        "limbeck": "0.1.0",
        "axes": {
            "method": list(METHODS),
            "student": list(STUDENTS),
            "teacher": list(TEACHERS),
        },
        "hypotheses": [dict(found) for found in HYPOTHESES],
        "selected": None,
        "failed": [],
        "command": "limbeck study examples/study.yaml",
        "study_file": STUDY_FILE,
    } | other


def table(
    students: Mapping[str, int] = STUDENTS, teachers: Mapping[str, int] = TEACHERS
) -> dict[str, list[Any]]:
    """Its results: 4 methods x 3 students x 2 teachers x 3 tasks x 3 seeds."""
    rng = np.random.default_rng(0)
    rows = []
    for student, size in students.items():
        for teacher, large in teachers.items():
            for method in METHODS:
                for one in SEEDS:
                    run = rng.normal(0, 0.006)
                    rows += [
                        _row(rng, student, size, teacher, large, method, one, task, run)
                        for task in TASKS
                    ]
    return columns(rows)


def _row(
    rng: np.random.Generator,
    student: str,
    size: int,
    teacher: str,
    large: int,
    method: str,
    seed: int,
    task: str,
    run: float,
) -> dict[str, Any]:
    place = np.log10(size / 1e6)
    sft = TASKS[task] - 0.22 + 0.075 * place
    ceiling = TASKS[task] + 0.10 + 0.03 * (large > 5e7)
    gain = METHODS[method] * (1 - 0.23 * place) * (0.8 if large < 5e7 else 1.1)
    score = sft + gain + run + rng.normal(0, 0.008)
    agreement = 0.45 + 0.35 * score + rng.normal(0, 0.01)
    seconds = SECONDS[method] * (0.5 + size / 8e6) * rng.uniform(0.9, 1.1)
    cell = f"method={method}, student={student}, teacher={teacher}"
    return {
        "run": f"{method}-{student}-{teacher}-{seed}",
        "cell": cell,
        "seed": seed,
        "task": task,
        "student": student,
        "teacher": teacher,
        "method": method,
        "student_parameters": size,
        "teacher_parameters": large,
        "n": 400,
        "metric": "accuracy",
        "score": score,
        "score_low": score - 0.045,
        "score_high": score + 0.045,
        "sft_score": sft,
        "before_score": 0.02,
        "teacher_score": ceiling,
        "improvement": score - sft,
        "recovered": (score - sft) / (ceiling - sft),
        "validation_score": score + rng.normal(0, 0.02),
        "agreement": agreement,
        "excess_agreement": agreement - 0.5,
        "fidelity_top1": 0.70 + 0.15 * score + rng.normal(0, 0.008),
        "fidelity_kl": 0.3,
        "wall_seconds": seconds + 40,
        "train_seconds": seconds,
        "tokens_generated": 120_000,
        "peak_memory_bytes": 1_200_000_000,
        "recipe_hash": "f00d",
        "items": f"runs/{method}/items/{task}.parquet",
        "status": "done",
    }


def many() -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The same with more and longer names than a drawing likes."""
    sizes = (1, 2, 3, 5, 9, 17, 30)
    students = {f"Some-Family-2.5-{size}.5M": size * 1_000_000 + 500_000 for size in sizes}
    teachers = {f"Other-Family-3.{i}-Instruct": i * 40_000_000 for i in range(1, 6)}
    values = table(students, teachers)
    axes = {"method": list(METHODS), "student": list(students), "teacher": list(teachers)}
    return study(name="Many", axes=axes), values


def temperatures() -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """A study of two methods over three temperatures, of which one was chosen for each cell."""
    grid = ("1.0", "2.0", "5.0")
    rng = np.random.default_rng(1)
    rows, chosen = [], []
    for method in ("kd", "revkd"):
        for seed in range(5):
            best, runs = -1.0, {}
            for heat in grid:
                shape = {"1.0": 0.0, "2.0": 0.03, "5.0": -0.09}[heat] * (method == "kd" or -0.5)
                for task in TASKS:
                    row = _row(
                        rng,
                        "tiny-1m",
                        1_050_000,
                        "teacher-33m",
                        33_000_000,
                        "kd",
                        seed,
                        task,
                        shape,
                    )
                    run = f"{method}-{heat}-{seed}"
                    row |= {"method": method, "method.temperature": heat, "run": run}
                    runs.setdefault(run, []).append(row["validation_score"])
                    rows.append(row)
            best = max(runs, key=lambda run: sum(runs[run]))
            chosen.append(best)
    found = study(
        name="Temperatures",
        axes={"method": ["kd", "revkd"], "method.temperature": list(grid)},
        hypotheses=[],
        selected={"axis": "method.temperature", "by": "validation_score", "runs": chosen},
        failed=[
            {
                "run": "kd-9.0-0",
                "cell": "method=kd, method.temperature=9.0",
                "seed": 0,
                "error": "Traceback (most recent call last):\n  ...\nRequestError: the loss is not finite",
            }
        ],
    )
    return found, columns(rows)


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as the columns of a table."""
    return {name: [row.get(name) for row in rows] for name in rows[0]}
