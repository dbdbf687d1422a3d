"""From axes to runs: every cell of the grid with every seed, each with its own recipe."""

import copy
import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import RequestError
from limbeck.files import digest
from limbeck.recipe import Recipe, build_method, nearest, parse_recipe, put
from limbeck.studies.spec import Axis, Study

RUNS = "runs"


@dataclass(frozen=True)
class Planned:
    """One run.

    Attributes:
        id: A hash of its recipe, wherever it is done.
        labels: Axis to the label of its value.
        seed: Its seed.
        recipe: What it does.
    """

    id: str
    labels: dict[str, str]
    seed: int
    recipe: Recipe

    @property
    def cell(self) -> str:
        """All that it shares with the other seeds, in words."""
        return ", ".join(f"{axis}={label}" for axis, label in self.labels.items()) or "the recipe"

    @property
    def folder(self) -> Path:
        """Where it is done."""
        return Path(self.recipe.output)


def plan(study: Study) -> list[Planned]:
    """Every run of a study, its recipe checked as one alone would be.

    The order interleaves those that have nothing in common, so that runs which wait for the same
    teacher do not begin together.

    Raises:
        RequestError: A recipe is wrong, or two runs are the same.
    """
    for axis, values in study.axes.items():
        _check_axis(axis, values)
    runs: list[Planned] = []
    for labels in itertools.product(*study.axes.values()):
        chosen = dict(zip(study.axes, labels, strict=True))
        runs += [_run(study, chosen, seed) for seed in study.seeds]
    _refuse_twins(runs)
    return _interleaved(runs)


def _check_axis(axis: str, values: Axis) -> None:
    if _is_key(axis):
        return
    for label, value in values.items():
        if not _sets_several(value):
            raise RequestError(
                f"{axis} is no key of a recipe, so its value {label!r} has to say which keys it sets",
                where=f"axes.{axis}.{label}",
                mend=f"{nearest(axis.partition('.')[0], Recipe.model_fields)}; or write a mapping such "
                "as {teacher.noise: 1}",
            )
        for whose in ("student", "teacher"):
            # Tests hold students and teachers fixed, and figures are drawn by them: by these names.
            if any(_is_of(whose, key) for key in value):
                raise RequestError(
                    f"the axis {axis} makes other {whose}s",
                    where=f"axes.{axis}.{label}",
                    mend=f"call it {whose}; its values may set several keys at once",
                )


def _is_key(axis: str) -> bool:
    return axis.partition(".")[0] in Recipe.model_fields


def _sets_several(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_key, value))


def _is_of(whose: str, key: str) -> bool:
    """Whether a key makes another student or teacher; noise makes another signal of the same one."""
    return key.partition(".")[0] == whose and key != "teacher.noise"


def _settings(axis: str, value: Any) -> dict[str, Any]:
    """Key to value, of one value of an axis. No key of a model is one of a recipe's, too."""
    several = not _is_key(axis) or (axis in ("student", "teacher") and _sets_several(value))
    return copy.deepcopy(value) if several else {axis: copy.deepcopy(value)}


def _run(study: Study, labels: dict[str, str], seed: int) -> Planned:
    request = copy.deepcopy(study.base)
    varied: list[str] = []
    # A whole section first, then what is set in it.
    for axis in sorted(labels, key=lambda name: (name.count("."), list(labels).index(name))):
        for key, its in _settings(axis, study.axes[axis][labels[axis]]).items():
            put(request, key, its, f"axes.{axis}")
            varied.append(key.partition(".")[0])
    request["seed"] = seed
    where = ", ".join(f"{axis}={label}" for axis, label in labels.items()) or "the base recipe"
    try:
        recipe = _recipe(study, request, varied, where)
    except RequestError as error:
        place = f"the run with {where}" + (f": {error.where}" if where not in error.where else "")
        raise RequestError(error.what, where=place, mend=error.mend) from None
    identity = _hash(recipe, "output")[:12]
    request["output"] = str(Path(study.output) / RUNS / identity)
    return Planned(identity, labels, seed, parse_recipe(request, where=where))


def _recipe(study: Study, request: dict[str, Any], varied: list[str], where: str) -> Recipe:
    """The recipe of a run whose folder is not known yet; ``request`` is made to fit its method."""
    _fit_to_method(request, varied)
    if study.select is not None:
        put(request, "evaluate.validation", True, "select")
    request["output"] = "?"
    return parse_recipe(request, where=where)


def _fit_to_method(request: dict[str, Any], varied: list[str]) -> None:
    """Take out of the base what this method does not use: the base speaks for all methods.

    All runs answer within the same length, whether or not their method writes text.
    """
    longest = (request.get("generation") or {}).get("max_new_tokens")
    if longest is not None and "max_new_tokens" not in (request.get("evaluate") or {}):
        put(request, "evaluate.max_new_tokens", longest, "base")
    said = request.get("method")
    if said is None:
        return
    method = build_method({"name": said} if isinstance(said, str) else said)
    used = {
        "generation": method.teacher_writes or method.student_writes,
        "corpus": method.needs_corpus,
        "diagnosis": method.tutors,
        "prompts": method.tutors,
    }
    for section, reads in used.items():
        if not reads and section not in varied:
            request.pop(section, None)


def _refuse_twins(runs: list[Planned]) -> None:
    counts = Counter(run.id for run in runs)
    for run in runs:
        if counts[run.id] > 1:
            one, other = [r for r in runs if r.id == run.id][:2]
            raise RequestError(
                "two runs of the study are the same",
                where=f"{one.cell}, seed {one.seed}; {other.cell}, seed {other.seed}",
                mend="take one of the values out of its axis, or let them differ",
            )


def _hash(recipe: Recipe, *but: str) -> str:
    """Of what a recipe says, in whatever order."""
    return digest(json.dumps(recipe.model_dump(mode="json", exclude=set(but)), sort_keys=True))


def _interleaved(runs: list[Planned]) -> list[Planned]:
    groups: dict[str, list[Planned]] = {}
    for run in runs:
        groups.setdefault(_hash(run.recipe, "output", "method", "student"), []).append(run)
    rounds: Any = itertools.zip_longest(*groups.values())
    return [run for several in rounds for run in several if run is not None]
