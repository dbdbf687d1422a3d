"""What a study will take: each cell tried for a few steps, and its stages scaled up."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.bench import Bench, open_bench
from limbeck.console import progress
from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.recipe import Recipe, parse_recipe, put
from limbeck.studies.executors import Job
from limbeck.studies.local import LocalExecutor
from limbeck.studies.plan import Planned, plan
from limbeck.studies.spec import Local, Study
from limbeck.studies.table import read_results

STEPS, ROWS, ITEMS = 6, 64, 16


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
    """Try one run of each cell for a few steps in a folder that is thrown away, and scale it up.

    A training is scaled by its steps, the teacher's text by its rows, an evaluation by its items;
    what remains (starting, the report) is taken as it is. The figures are those of this machine,
    alone; several runs at a time take longer each.

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
            results, own, size = _tried(run, Path(place))
            bench = open_bench(run.recipe)
            took = _scaled(own, bench)
            alone = sum(s for name, s in took.items() if not _is_shared(name, own))
            missing = sum(r.cell == run.cell and read_results(r.folder) is None for r in runs)
            cells.append(Cell(run.cell, missing, alone, results["costs"]["peak_memory_bytes"]))
            for name, seconds in took.items():
                if _is_shared(name, own):
                    stages[name] = max(stages.get(name, 0.0), seconds)
            disk += size * missing
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
        disk,
        executor.processes,
    )


def _tried(run: Planned, place: Path) -> tuple[dict[str, Any], dict[str, float], int]:
    """One run cut short: its results, seconds by stage, and bytes on the disk."""
    request = run.recipe.model_dump(mode="json", exclude_none=True)
    put(request, "training.max_steps", STEPS, "trial")
    request["training"].pop("num_train_epochs", None)
    for side in ("teacher", "student"):
        if (request.get(side) or {}).get("sft") is not None:
            put(request, f"{side}.sft.training.max_steps", STEPS, "trial")
    put(request, "evaluate.max_items", ITEMS, "trial")
    put(request, "evaluate.sampled_items", min(ITEMS, run.recipe.evaluate.sampled_items), "trial")
    put(request, "evaluate.tasks", [], "trial")
    put(request, "data.rows", ROWS, "trial")
    request["data"]["labelled"] = min(ROWS, request["data"].get("labelled") or ROWS)
    request["output"] = str(place / run.id)
    recipe = parse_recipe(request, where=f"trial of {run.cell}")
    path = place / f"{run.id}.yaml"
    write_text(path, recipe.to_yaml())
    job = Job(run.id, run.cell, path, place / run.id, place / f"{run.id}.log", place / "shared")
    LocalExecutor(1).run([job], lambda *_: None)
    results = read_results(job.folder)
    if results is None:
        raise LimbeckError(
            f"the trial of {run.cell} failed", where=job.error(), mend="mend it, and try again"
        )
    size = sum(f.stat().st_size for f in job.folder.rglob("*") if f.is_file())
    return results, dict(results["costs"]["wall_seconds"]), size


def _scaled(seconds: Mapping[str, float], bench: Bench) -> dict[str, float]:
    recipe = bench.recipe
    rows = len(bench.sequences["train"])
    items = min(recipe.evaluate.max_items, len(bench.sequences["test"]))
    factors = {
        "train": _steps(recipe, rows) / STEPS,
        "text": rows / ROWS,
        "evaluate": items / ITEMS,
    }
    return {name: s * factors.get(name.partition(" ")[0], 1.0) for name, s in seconds.items()}


def _steps(recipe: Recipe, rows: int) -> float:
    from limbeck.training import arguments

    return float(arguments(recipe.training, Path("trial"), recipe.seed, rows).max_steps)


def _is_shared(stage: str, seconds: Mapping[str, float]) -> bool:
    return stage in (
        "train teacher",
        "train start",
        "train sft",
        "evaluate teacher",
        "evaluate sft",
    )


def _shared(runs: list[Planned], stages: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """How often each stage is made, and how many runs use it: by what their recipes have in common."""
    found: dict[str, tuple[int, int]] = {}
    unlike = {
        "train teacher": {"output", "method", "student", "training", "evaluate", "generation"},
        "train start": {"output", "method", "teacher", "training", "evaluate", "generation"},
        "train sft": {"output", "method", "teacher", "evaluate", "generation"},
        "evaluate teacher": {"output", "method", "training", "generation"},
        "evaluate sft": {"output", "method", "generation"},
    }
    for stage in stages:
        keys = {str(run.recipe.model_dump(mode="json", exclude=unlike[stage])) for run in runs}
        found[stage] = (len(keys), len(runs))
    return found
