"""Tables of studies whose truth is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np

STUDENTS = {"small": 1e6, "medium": 4e6, "large": 16e6}
TEACHERS = {"big": 64e6, "huge": 256e6}
TASKS = ("sums", "names", "words")
AXES = ("student", "teacher", "method")


@dataclass(frozen=True)
class Truth:
    """How runs score, in shares.

    Attributes:
        gains: Mean improvement over SFT by method.
        spread: Of students', and of tasks', own additions to every gain (fixed in one study).
        run: Noise of a training, the same on all of its tasks.
        task: Noise of a training on one task.
        baseline: Noise of a baseline, shared by all cells of its student and seed.
        teacher: Mean teacher's lead over the mean distilled student.
        agreement: How much of the improvement of a cell shows in its agreement.
    """

    gains: dict[str, float]
    spread: float = 0.01
    run: float = 0.01
    task: float = 0.01
    baseline: float = 0.01
    teacher: float = 0.0
    agreement: float = 0.0


def study(
    truth: Truth,
    rng: np.random.Generator,
    students: dict[str, float] = STUDENTS,
    tasks: tuple[str, ...] = TASKS,
    seeds: int = 5,
) -> dict[str, list[Any]]:
    """The tidy table of one study of all students, teachers, methods, tasks and seeds."""
    of_student = dict(zip(students, _centred(truth.spread, len(students), rng), strict=True))
    of_task = dict(zip(tasks, _centred(truth.spread, len(tasks), rng), strict=True))
    sft = {
        (s, t, seed): 0.5 + shared + rng.normal(0, truth.baseline)
        for s in students
        for seed in range(seeds)
        for shared in [rng.normal(0, truth.baseline)]
        for t in tasks
    }
    mean = np.mean(list(truth.gains.values()))
    rows = []
    for student, size in students.items():
        for teacher, teacher_size in TEACHERS.items():
            for method, gain in truth.gains.items():
                own = rng.normal(0, 0.02)  # of the cell, in agreement and where asked for in score
                for seed in range(seeds):
                    luck = rng.normal(0, truth.run)
                    for task in tasks:
                        base = sft[student, task, seed]
                        score = 0.5 + gain + of_student[student] + of_task[task]
                        score += luck + rng.normal(0, truth.task) + truth.agreement * own
                        rows.append(
                            {
                                "run": f"{student}-{teacher}-{method}-{seed}",
                                "cell": f"{student} {teacher} {method}",
                                "seed": seed,
                                "task": task,
                                "student": student,
                                "teacher": teacher,
                                "method": method,
                                "student_parameters": size,
                                "teacher_parameters": teacher_size,
                                "metric": "accuracy",
                                "score": score,
                                "sft_score": base,
                                "teacher_score": 0.5 + mean + truth.teacher,
                                "improvement": score - base,
                                "agreement": 0.7 + own + rng.normal(0, 0.005),
                                "status": "done",
                            }
                        )
    return {column: [row[column] for row in rows] for column in rows[0]}


def _centred(spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.normal(0, spread, n)
    return drawn - drawn.mean()
