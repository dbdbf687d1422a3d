"""The hypotheses of a study tested on numbers out of the air: what cannot be decided shows at once."""

import json
import random
from collections.abc import Sequence
from typing import Any

from limbeck.errors import RequestError
from limbeck.files import digest
from limbeck.recipe import Recipe
from limbeck.studies.hypotheses import MEASURED, test
from limbeck.studies.plan import Planned
from limbeck.studies.selection import select
from limbeck.studies.spec import Study
from limbeck.studies.table import HELD_OUT, axes_of_run, task_name, to_table

_OF_TASKS = ("score", "sft_score", "before_score", "teacher_score", "improvement")


def rehearse(study: Study, runs: Sequence[Planned]) -> None:
    """Refuse a hypothesis that no outcome of these runs could decide.

    Args:
        study: What is asked.
        runs: Those that it plans.

    Raises:
        RequestError: Names the hypothesis, and what it lacks.
    """
    rows = [row for run in runs for row in _rows(run)]
    columns, axes = to_table(rows, list(study.axes)).to_pydict(), list(study.axes)
    if study.select is not None:
        columns, _ = select(columns, study.select, axes)
        axes = [axis for axis in axes if axis not in study.select.names]
    decided = test(study.hypotheses, columns, study.correction, axes)
    for place, (hypothesis, found) in enumerate(zip(study.hypotheses, decided, strict=True)):
        if found.effect is None:
            raise RequestError(
                f"no outcome of this study could decide this: {found.note}",
                where=f"hypotheses[{place}]: {hypothesis.claim}",
                mend="give the study what it lacks, or claim something else",
            )


def _rows(run: Planned) -> list[dict[str, Any]]:
    """Rows as a run would leave them, with numbers that depend on what theirs depend on."""
    recipe = run.recipe
    student, teacher, data = (_said(recipe, key) for key in ("student", "teacher", "data"))
    training = _said(recipe, "training")
    found: list[dict[str, Any]] = []
    for task in (HELD_OUT, *map(task_name, recipe.evaluate.tasks)):
        row: dict[str, Any] = {
            "run": run.id,
            "cell": run.cell,
            "seed": run.seed,
            **axes_of_run(run),
            "task": task,
            "metric": "accuracy",
            "status": "done",
        }
        wanted = MEASURED if task == HELD_OUT else _OF_TASKS
        row |= {column: _number(run.id, task, column) for column in wanted}
        row["student_parameters"] = _number(student)
        row["before_score"] = _number(student, run.seed, task)
        row["teacher_parameters"] = _number(teacher) if recipe.teacher else None
        row["teacher_score"] = _number(teacher, data, run.seed, task) if recipe.teacher else None
        row["sft_score"] = _number(student, data, training, run.seed, task)
        if recipe.baseline == "none":
            for column in ("sft_score", "improvement", "agreement_gain", "fidelity_gain"):
                row[column] = None
        found.append({k: int(1e6 * v) if v and k in _WHOLE else v for k, v in row.items()})
    return found


_WHOLE = ("student_parameters", "teacher_parameters", "tokens_generated", "peak_memory_bytes")


def _said(recipe: Recipe, section: str) -> str:
    return json.dumps(recipe.model_dump(mode="json", include={section}), sort_keys=True)


def _number(*parts: Any) -> float:
    """Between 0 and 1, the same for the same parts."""
    return random.Random(digest(*map(str, parts))).random()
