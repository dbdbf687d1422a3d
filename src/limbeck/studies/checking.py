"""Every recipe of a study before the doctor, and room for all of it on the disk."""

import shutil
from pathlib import Path
from typing import Any

from limbeck.doctor import Finding
from limbeck.errors import RequestError
from limbeck.models import load_config, load_tokenizer, parameters_of
from limbeck.recipe import ModelSpec
from limbeck.reports import words
from limbeck.run import check_recipe
from limbeck.studies.hypotheses import check
from limbeck.studies.plan import Planned, plan
from limbeck.studies.rehearsal import rehearse
from limbeck.studies.selection import check_selection
from limbeck.studies.spec import Study
from limbeck.studies.table import HELD_OUT, task_name

_FINISHED = 2 * 4
"""Bytes a parameter that a run leaves: student and baseline in 32 bits."""
_TRAINING = 4 * 4
"""Bytes a parameter while it trains: weights, gradients' moments, and a checkpoint being written."""


def check_study(study: Study) -> list[tuple[str, Finding]]:
    """What the doctor says of one run of each cell; writes nothing.

    Returns:
        The cell, and a finding, for each.

    Raises:
        RequestError: A recipe cannot be understood, or something it names is not there.
    """
    runs = plan(study)
    check_claims(study, runs)
    check_room(study, runs)
    first = {run.cell: run for run in reversed(runs)}
    return [(cell, f) for cell, run in first.items() for f in check_recipe(run.recipe)]


def check_claims(study: Study, runs: list[Planned]) -> None:
    """Refuse hypotheses, or a selection, about what the study does not have, or has too little of.

    Raises:
        RequestError: Names the hypothesis, what it speaks of, and what there is or lacks.
    """
    said = {task for run in runs for task in run.recipe.evaluate.tasks}
    tasks = [HELD_OUT, *sorted(map(task_name, said))]
    axes: dict[str, list[Any]] = {axis: list(values) for axis, values in study.axes.items()}
    check(study.hypotheses, axes | {"task": tasks})
    if study.select is not None:
        check_selection(study.select, axes, study.hypotheses)
    rehearse(study, runs)


def check_room(study: Study, runs: list[Planned]) -> None:
    """Refuse a study whose models alone do not fit on the disk.

    Raises:
        RequestError: They do not; says how much is needed and how much there is.
    """
    sizes = {run.id: _parameters(run.recipe.student) for run in runs if not _done(run)}
    if not sizes:
        return
    needed = sum(sizes.values()) * _FINISHED + max(sizes.values()) * _TRAINING
    folder = Path(study.output).absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise RequestError(
            f"the models of {len(sizes)} runs take {words.memory(needed)}, and {words.memory(free)} "
            "are free",
            where=str(there),
            mend="give output= on another disk, fewer runs, or smaller students",
        )


def _done(run: Planned) -> bool:
    return (run.folder / "results.json").exists()


def _parameters(spec: ModelSpec) -> int:
    return parameters_of(load_config(spec, "student", load_tokenizer(spec, "student")))
