"""Every recipe of a study before the doctor, and room for all of it on the disk."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.bench import open_bench
from limbeck.doctor import Finding
from limbeck.errors import RequestError
from limbeck.models import load_config, load_tokenizer, parameters_of
from limbeck.recipe import ModelSpec, Recipe
from limbeck.reports import words
from limbeck.run import check_recipe
from limbeck.run.opening import hashes_of
from limbeck.studies.folder import check_folder
from limbeck.studies.hypotheses import check
from limbeck.studies.plan import Planned, plan
from limbeck.studies.rehearsal import rehearse
from limbeck.studies.selection import check_selection
from limbeck.studies.spec import Study
from limbeck.studies.table import HELD_OUT, task_name

_BYTES = 4
"""Of a parameter that is kept: 32 bits."""
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
    check_folder(Path(study.output))
    check_claims(study, runs)
    check_room(study, runs)
    check_unchanged(runs)
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


def check_unchanged(runs: Sequence[Planned]) -> None:
    """Refuse to go on where data or models are no longer those of the runs that are finished.

    Raises:
        RequestError: Says what has changed, and of which run.
    """
    known: dict[str, dict[str, str]] = {}
    for run in runs:
        if not _done(run) or not _may_change(run.recipe):
            continue
        said = {"output", "training", "generation", "baseline", "controls"}
        key = str(run.recipe.model_dump(mode="json", exclude=said))
        now = known.setdefault(key, {}) or hashes_of(open_bench(run.recipe))
        known[key] = now
        manifest = (run.folder / "manifest.json").read_text(encoding="utf-8")
        then = json.loads(manifest)["hashes"]
        changed = sorted(name for name in now if name in then and now[name] != then[name])
        if changed:
            raise RequestError(
                f"{', '.join(changed)} changed after a run was finished",
                where=f"{run.folder}: {run.cell}, seed {run.seed}",
                mend="put it back as it was, or give another output= and run the study anew",
            )


def _may_change(recipe: Recipe) -> bool:
    """Whether a recipe names files, or something on the hub."""
    models = [spec for spec in (recipe.student, recipe.teacher) if spec is not None]
    data = [recipe.data, recipe.corpus, *(spec.sft.data for spec in models if spec.sft)]
    return (
        bool(recipe.evaluate.tasks)
        or any(one is not None and one.origin != "task" for one in data)
        or any(spec.model or spec.checkpoints for spec in models)
    )


def check_room(study: Study, runs: list[Planned]) -> None:
    """Refuse a study whose models alone do not fit on the disk.

    Raises:
        RequestError: They do not; says how much is needed and how much there is.
    """
    missing = [run for run in runs if not _done(run)]
    if not missing:
        return
    kept, training = weights_of(missing)
    needed = kept + training
    folder = Path(study.output).absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise RequestError(
            f"the models of {len(missing)} runs take {words.memory(needed)}, and {words.memory(free)} "
            "are free",
            where=str(there),
            mend="give output= on another disk, fewer runs, or smaller students",
        )


def weights_of(runs: Sequence[Planned]) -> tuple[int, int]:
    """Bytes of all weights that runs leave on the disk, and of the largest model while it trains."""
    sizes: dict[str, int] = {}
    for run in runs:
        for its, spec in _trained(run.recipe).items():
            sizes[its] = sizes.get(its) or _size(spec, run.recipe)
    kept = {key: size for run in runs for key, size in _kept(run, sizes)}
    return sum(kept.values()) * _BYTES, max(sizes.values(), default=0) * _TRAINING


def _done(run: Planned) -> bool:
    return (run.folder / "results.json").exists()


def _trained(recipe: Recipe) -> dict[str, ModelSpec]:
    """The models that a run trains, by what it says of them."""
    teacher = recipe.teacher
    specs = [recipe.student]
    specs += [teacher] if teacher is not None and teacher.sft is not None else []
    return {spec.model_dump_json(): spec for spec in specs}


def _size(spec: ModelSpec, recipe: Recipe) -> int:
    """Parameters; a model without a tokenizer of its own has the other one's."""
    others = [one for one in (spec, recipe.student, recipe.teacher) if one is not None]
    found = (load_tokenizer(one, "a model") for one in others)
    return parameters_of(load_config(spec, "a model", next(filter(None, found), None)))


def _kept(run: Planned, sizes: Mapping[str, int]) -> Iterator[tuple[Any, int]]:
    """Parameters that a run leaves on the disk, under what tells them from those of other runs.

    Weights that runs share are there once.
    """
    recipe, student = run.recipe, run.recipe.student
    size = sizes[student.model_dump_json()]
    data = str(recipe.data.model_dump(mode="json")), recipe.seed
    yield (run.id, "student"), size
    controls = recipe.controls if isinstance(recipe.controls, list) else [recipe.controls] * 2
    yield (run.id, "controls"), size * sum(map(bool, controls))
    if student.sft is not None:
        yield ("start", student.model_dump_json(), data), size
    if recipe.baseline != "none":
        training = str(recipe.training)
        yield ("sft", student.model_dump_json(), training, data), size
    teacher = recipe.teacher
    if teacher is not None and teacher.sft is not None:
        whole = sizes[teacher.model_dump_json()]
        words = teacher.model_dump_json(exclude={"noise"})
        yield ("teacher", words, data), whole * (1 + (teacher.keep_checkpoints or 0))
