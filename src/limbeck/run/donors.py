"""Finished runs of a rewriting teacher: whose text is handed on, and who is trained on it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from limbeck.bench import Bench, open_bench
from limbeck.errors import RequestError
from limbeck.recipe import Generation, ModelSpec, Recipe, load_recipe
from limbeck.run.distill import Run, read_run
from limbeck.run.folder import RunFolder
from limbeck.run.opening import hashes_of
from limbeck.run.start import start_of

_FREE = ("training", "evaluate", "seed", "matmul_precision")
"""Sections that the command line may change: the rest makes the comparison what it is."""

Table = dict[str, str]
"""Solutions by the key of their problem."""


@dataclass(frozen=True)
class Donor:
    """A student, and the text that a teacher wrote and then rewrote for it.

    Attributes:
        name: Short, and of this run alone.
        run: Where it was trained.
        bench: How it is trained when it only reads: its recipe without a teacher, on its own data.
        first: The solutions of the first round.
        refined: Those of round ``round``.
        round: The round whose student was kept; the last one where that was the first.
        kept: The round whose student was kept.
    """

    name: str
    run: Run
    bench: Bench
    first: Table
    refined: Table
    round: int
    kept: int


def open_donors(runs: Sequence[Path], overrides: Sequence[str]) -> list[Donor]:
    """Read the runs, in their order, and refuse what cannot be compared; writes nothing.

    Args:
        runs: Folders of finished runs of ``undo``.
        overrides: ``KEY=VALUE`` words for how each student is trained.

    Raises:
        RequestError: There are fewer than two, one is no finished run of ``undo`` or was never
            refined, or two have the same student, other data or other test rows.
    """
    _check_overrides(overrides)
    if len(runs) < 2:
        raise RequestError(
            f"a transfer needs the runs of two students at least, got {len(runs)}",
            where="command line",
            mend="limbeck transfer RUN RUN, each the folder of a finished run with method: undo",
        )
    found = [_finished(path) for path in runs]
    recipes = [load_recipe(path / "recipe.yaml", overrides) for path in runs]
    for i, run in enumerate(found):
        for other in found[:i]:
            _check_students(other, run)
    for run in found[1:]:
        _check_data(found[0], run)
    names = _names([_source(r.student) for r in recipes], runs)
    return [_donor(*each) for each in zip(names, found, recipes, strict=True)]


def _check_overrides(overrides: Sequence[str]) -> None:
    for word in overrides:
        key = word.partition("=")[0]
        if key.partition(".")[0] not in _FREE:
            raise RequestError(
                f"{key} is settled by the runs",
                where="command line",
                mend=f"only these can be changed: {', '.join(_FREE)}",
            )


def _finished(path: Path) -> Run:
    run = read_run(path)
    for needed in ("manifest.json", "items/student.parquet"):
        if not (path / needed).is_file():
            raise RequestError(
                "this run is not whole",
                where=str(path / needed),
                mend="give the folder as limbeck distill left it",
            )
    name = run.results.get("method", {}).get("name")
    if name != "undo":
        raise RequestError(
            f"the method of this run is {name}, so there is no text that was refined for its student",
            where=str(path),
            mend="give folders of finished runs with method: undo",
        )
    if len(run.results["training"]["student"]["rounds"]) < 2:
        raise RequestError(
            "this run ended after its first round, and nothing was refined",
            where=str(path),
            mend="run it with method.rounds=1 or more",
        )
    return run


def _check_students(one: Run, other: Run) -> None:
    same_folder = one.path.resolve() == other.path.resolve()
    if same_folder or _who(one) == _who(other):
        raise RequestError(
            "these are one run" if same_folder else "these runs are of the same student",
            where=f"{one.path}, {other.path}",
            mend="give runs of different students; a student's own data is in the matrix anyway",
        )


def _who(run: Run) -> tuple[str, Any]:
    """What a student is: its files and words, and how it was fine-tuned before."""
    return _hashes(run)["student"], run.results["recipe"]["student"].get("sft")


def _check_data(one: Run, other: Run) -> None:
    where = f"{one.path}, {other.path}"
    if _hashes(one)["data"] != _hashes(other)["data"]:
        ours, theirs = (run.results["recipe"]["data"] for run in (one, other))
        keys = [k for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)]
        said = "; ".join(f"data.{k} is {ours.get(k)!r} and {theirs.get(k)!r}" for k in keys)
        raise RequestError(
            "these runs are on different data",
            where=f"{where}: {said or 'the files changed in between'}",
            mend="give runs on the same rows; how they are tokenised may differ",
        )
    ours, theirs = (set(items_of(run)["key"]) for run in (one, other))
    if ours != theirs:
        raise RequestError(
            "these runs were scored on different test rows",
            where=f"{where}: {len(ours):,} and {len(theirs):,} rows, {len(ours & theirs):,} in both",
            mend="give runs with the same evaluate.max_items, whose students read all test rows",
        )


def items_of(run: Run) -> dict[str, list[Any]]:
    """Key and verdict of each test row, for the student of a run."""
    path = run.path / "items" / "student.parquet"
    found: dict[str, list[Any]] = pq.read_table(path, columns=["key", "correct"]).to_pydict()
    return found


def _hashes(run: Run) -> dict[str, str]:
    text = (run.path / "manifest.json").read_text(encoding="utf-8")
    hashes: dict[str, str] = json.loads(text)["hashes"]
    return hashes


def _donor(name: str, run: Run, recipe: Recipe) -> Donor:
    bench = open_bench(_reading(run, recipe))
    if hashes_of(bench)["data"] != _hashes(run)["data"]:
        raise RequestError(
            "the data changed since this run",
            where=f"{run.path}: {recipe.data.source}",
            mend="bring back the rows that it was trained on",
        )
    training = run.results["training"]["student"]
    kept = training["kept_round"]
    refined = kept or len(training["rounds"]) - 1
    return Donor(name, run, bench, _table(run, 0), _table(run, refined), refined, kept)


def _reading(run: Run, recipe: Recipe) -> Recipe:
    """The recipe of a student that learns from text alone, and is scored as in its run."""
    bound = recipe.evaluate.max_new_tokens or recipe.generation.max_new_tokens
    return recipe.model_copy(
        update={
            "student": _start(run, recipe.student),
            "teacher": None,
            "method": {"name": "sft"},
            "diagnosis": None,
            "prompts": Recipe.model_fields["prompts"].default,
            "baseline": "none",
            "controls": False,
            "generation": Generation(),
            "evaluate": recipe.evaluate.model_copy(update={"max_new_tokens": bound}),
        }
    )


def _start(run: Run, student: ModelSpec) -> ModelSpec:
    """The student as the run's trainings began with it."""
    start = start_of(RunFolder(run.path), student).model_copy(update={"lora": student.lora})
    if start.model is None and start.tokenizer is None:  # it read with its teacher's tokenizer
        return start.model_copy(update={"tokenizer": str(run.student)})
    return start


def _table(run: Run, round_: int) -> Table:
    path = run.path / "rounds" / f"{round_:03}" / "rationales.parquet"
    if not path.is_file():
        raise RequestError(
            f"the solutions of round {round_} are gone",
            where=str(path),
            mend="bring them back, or make the run again",
        )
    found = pq.read_table(path, columns=["key", "rationale"]).to_pydict()
    # Of a problem that stands twice in the data, the first.
    return dict(reversed(list(zip(found["key"], found["rationale"], strict=True))))


def _source(student: ModelSpec) -> str:
    return Path(student.model).name if student.model else str((student.config or {})["model_type"])


def _names(sources: list[str], runs: Sequence[Path]) -> list[str]:
    """Short names for people and folders: of the models, or else of the runs."""
    folders = [path.resolve() for path in runs]
    for words in (
        sources,
        [f.name for f in folders],
        [f"{f.parent.name}-{f.name}" for f in folders],
    ):
        names = [re.sub(r"[^\w.]+", "-", word).strip("-.") for word in words]
        if all(names) and len({name.casefold() for name in names}) == len(names):
            return names
    return [f"student-{i}" for i, _ in enumerate(runs, 1)]
