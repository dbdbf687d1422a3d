"""What a study will take: each cell tried at two small sizes, and a line drawn through both."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from limbeck.bench import Bench, open_bench
from limbeck.console import progress
from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.recipe import parse_recipe, put
from limbeck.run.common import UNLIKE, said
from limbeck.studies.checking import weights_of
from limbeck.studies.executors import Job
from limbeck.studies.local import LocalExecutor
from limbeck.studies.plan import Planned, plan
from limbeck.studies.spec import Local, Study
from limbeck.studies.table import read_results


@dataclass(frozen=True)
class Size:
    """How much a trial does.

    Attributes:
        steps: Of each training.
        rows: To learn from.
        items: To be scored on.
    """

    steps: int
    rows: int
    items: int


SMALL = Size(10, 64, 16)
"""Steps are multiplied by the rounds of the method: each round has ten evaluations, as in the study."""


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    Attributes:
        name: Its labels.
        runs: Of it that are not finished.
        seconds: Of one run, what it shares with others not counted.
        memory_bytes: At most, of one run.
    """

    name: str
    runs: int
    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Estimated:
    """A study before it runs.

    Attributes:
        cells: In the order of the grid.
        runs: All of them.
        finished: Those that are done.
        shared: What is made once for several runs: name to how often it is made and used.
        seconds: Wall time of all that is missing.
        memory_bytes: Of all processes together.
        disk_bytes: Of all that is missing.
        processes: Runs at a time.
    """

    cells: list[Cell]
    runs: int
    finished: int
    shared: dict[str, tuple[int, int]]
    seconds: float
    memory_bytes: int
    disk_bytes: int
    processes: int


def estimate(study: Study) -> Estimated:
    """Try one run of each cell, small and twice as large, in a folder that is thrown away.

    From the two, each stage has what it takes in any case (loading, its evaluations) and what it
    takes for each step, row or item; so long is a line. What remains (starting, the report) is taken
    as it is. The figures are those of this machine, alone; several runs at a time take longer each.

    Raises:
        RequestError: A recipe is wrong.
        LimbeckError: A trial fails; says why.
    """
    runs = plan(study)
    first = {run.cell: run for run in reversed(runs)}
    executor = LocalExecutor(
        study.executor.processes if isinstance(study.executor, Local) else None
    )
    cells: list[Cell] = []
    stages: dict[str, float] = {}
    disk = 0
    with tempfile.TemporaryDirectory() as place, progress("trials", len(first), "cells") as advance:
        for run in first.values():
            missing = sum(r.cell == run.cell and read_results(r.folder) is None for r in runs)
            if not missing:
                advance(1)
                continue
            bench = open_bench(run.recipe)
            sizes = _sizes(bench)
            small, large = (_tried(run, size, Path(place) / str(size.steps)) for size in sizes)
            took = _scaled(small.seconds, large.seconds, sizes, bench)
            alone = sum(s for name, s in took.items() if name not in UNLIKE)
            cells.append(Cell(run.cell, missing, alone, large.memory_bytes))
            for name, seconds in took.items():
                if name in UNLIKE:
                    stages[name] = max(stages.get(name, 0.0), seconds)
            disk += large.disk_bytes * missing
            advance(1)
    cells.reverse()
    shared = _shared(runs, stages)
    common = sum(stages[name] * made for name, (made, _) in shared.items())
    busy = sum(cell.seconds * cell.runs for cell in cells) + common
    most = max((cell.memory_bytes for cell in cells), default=0)
    return Estimated(
        cells,
        len(runs),
        sum(read_results(run.folder) is not None for run in runs),
        shared,
        busy / executor.processes,
        most * executor.processes,
        disk + weights_of([run for run in runs if read_results(run.folder) is None])[0],
        executor.processes,
    )


@dataclass(frozen=True)
class _Trial:
    """What a run cut short took: seconds of each stage, and of starting, the report and the rest.

    Its disk is without weights, which runs share.
    """

    seconds: dict[str, float]
    memory_bytes: int
    disk_bytes: int


def _sizes(bench: Bench) -> tuple[Size, Size]:
    spec = bench.recipe.teacher
    rounds = bench.method.number_of_rounds((spec and spec.keep_checkpoints) or 1)
    once = Size(SMALL.steps * rounds, SMALL.rows, SMALL.items)
    return once, Size(*(2 * amount for amount in astuple(once)))


def _tried(run: Planned, size: Size, place: Path) -> _Trial:
    """One run cut short."""
    request = run.recipe.model_dump(mode="json", exclude_none=True)
    put(request, "training.max_steps", size.steps, "trial")
    request["training"].pop("num_train_epochs", None)
    for side in ("teacher", "student"):
        if (request.get(side) or {}).get("sft") is not None:
            put(request, f"{side}.sft.training.max_steps", size.steps, "trial")
    put(request, "evaluate.max_items", size.items, "trial")
    sampled = min(size.items, run.recipe.evaluate.sampled_items)
    put(request, "evaluate.sampled_items", sampled, "trial")
    limit = run.recipe.evaluate.task_items or size.items
    put(request, "evaluate.task_items", min(size.items, limit), "trial")
    put(request, "data.rows", size.rows, "trial")
    request["data"]["labelled"] = min(size.rows, request["data"].get("labelled") or size.rows)
    request["output"] = str(place / run.id)
    recipe = parse_recipe(request, where=f"trial of {run.cell}")
    path = place / f"{run.id}.yaml"
    write_text(path, recipe.to_yaml())
    job = Job(run.id, run.cell, path, place / run.id, place / f"{run.id}.log", place / "shared")
    began = time.monotonic()
    LocalExecutor(1).run([job], lambda *_: None)
    wall = time.monotonic() - began
    results = read_results(job.folder)
    if results is None:
        raise LimbeckError(
            f"the trial of {run.cell} failed", where=job.error(), mend="mend it, and try again"
        )
    costs = results["costs"]
    seconds = dict(costs["wall_seconds"])
    seconds["rest"] = max(0.0, wall - sum(seconds.values()))
    files = [f for f in job.folder.rglob("*") if f.is_file() and f.suffix != ".safetensors"]
    return _Trial(seconds, costs["peak_memory_bytes"], sum(f.stat().st_size for f in files))


def _scaled(
    once: Mapping[str, float], twice: Mapping[str, float], sizes: tuple[Size, Size], bench: Bench
) -> dict[str, float]:
    """Seconds of each stage of the whole run."""
    items = min(bench.recipe.evaluate.max_items, len(bench.sequences["test"]))
    rows = len(bench.sequences["train"])
    of_tasks = _task_items(bench)

    def whole(stage: str) -> float:
        what, _, whose = stage.partition(" ")
        size = sizes[1]
        amounts = {
            "train": (size.steps, _steps(bench, whose)),
            "text": (size.rows, rows),
            "evaluate": (size.items, items),
            "tasks": (sum(min(size.items, n) for n in of_tasks) or 1, sum(of_tasks) or 1),
        }
        done, asked = amounts.get(what, (1, 1))
        slope = max(0.0, twice[stage] - once.get(stage, 0.0)) / (done / 2)
        return float(twice[stage] + slope * (asked - done))

    return {stage: whole(stage) for stage in twice}


def _task_items(bench: Bench) -> list[int]:
    """Items of each of our tasks; those of the harness are not known before they run."""
    from limbeck.run.tasks import Wish, asked_of

    said = bench.recipe.evaluate
    asked = asked_of(said.tasks, chat=False, wish=Wish(limit=said.task_items))
    return [len(one.items) for one in asked]


def _steps(bench: Bench, whose: str) -> float:
    """Of the training of the teacher, of where the student starts, or of any arm."""
    from limbeck.training import arguments

    recipe = bench.recipe
    spec = {"teacher": recipe.teacher, "start": recipe.student}.get(whose)
    training = spec.sft.training if spec is not None and spec.sft is not None else recipe.training
    rows = len(bench.sequences["train"])
    return float(arguments(training, Path("trial"), recipe.seed, rows).max_steps)


def _shared(runs: list[Planned], stages: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """How often each stage is still to be made, and by how many runs it will be used."""
    missing = [run for run in runs if read_results(run.folder) is None]
    finished = [run for run in runs if run not in missing]
    found: dict[str, tuple[int, int]] = {}
    for stage in stages:
        keys, made = ({said(run.recipe, stage) for run in some} for some in (missing, finished))
        found[stage] = (len(keys - made), len(missing))
    return found
