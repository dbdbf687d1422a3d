"""A study from its file to its report."""

import importlib.metadata
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.console import say
from limbeck.errors import LimbeckError, RequestError
from limbeck.files import write_json, write_text
from limbeck.studies.checking import check_claims, check_room, check_unchanged
from limbeck.studies.executors import Executor, Job, stoppable
from limbeck.studies.folder import RESOLVED, held
from limbeck.studies.hypotheses import test
from limbeck.studies.hypotheses.finding import joined
from limbeck.studies.plan import RUNS, Planned, plan
from limbeck.studies.progress import Watched
from limbeck.studies.registering import Registered, family, register
from limbeck.studies.selection import select
from limbeck.studies.spec import RayCluster, Study, load_study, to_yaml
from limbeck.studies.table import FILE, Row, read_results, rows_of, to_table, write_table

SCHEMA = "limbeck.study/1"
SHARED = "shared"
_STATE = "study.json"


@dataclass(frozen=True)
class Done:
    """A study, as far as it went.

    Attributes:
        path: Its folder.
        study: What ``study.json`` holds.
        table: A row a run and task.
    """

    path: Path
    study: dict[str, Any]
    table: pa.Table

    @property
    def report(self) -> Path:
        """One HTML file."""
        return self.path / "report.html"


def run_study(study: Study, *, name: str, command: str) -> Done:
    """Do what is missing of a study, test its hypotheses, and write its report.

    Runs that failed are tried again the next time; so are those that were interrupted, which go on
    where they were.

    Args:
        study: What to do.
        name: What the report calls it.
        command: The words that do it again.

    Raises:
        RequestError: The study is wrong, or its folder is another's; nothing has been run.
        LimbeckError: No run was finished.
    """
    runs = plan(study)
    check_claims(study, runs)
    check_room(study, runs)
    check_unchanged(runs)
    finished = all(read_results(run.folder) is not None for run in runs)
    executor = None if finished else executor_of(study)  # which may say that nobody is there
    folder = Path(study.output)
    with held(folder, to_yaml(study)):
        registered = register(folder, study)
        failed = _do(executor, runs, folder)
        table = _table(study, runs, folder)
        if table is None:
            raise LimbeckError(
                f"none of the {len(runs)} runs was finished",
                where=f"{failed[0]['cell']}, seed {failed[0]['seed']}: {failed[0]['error']}"
                if failed
                else str(folder),
                mend="mend what the log says; the same command goes on from there",
            )
        write_table(table, folder / FILE)
        found = conclude(study, table, registered, failed, name, command)
        write_json(folder / _STATE, found)
        _report(found, table, folder)
    return Done(folder, found, table)


def conclude(
    study: Study,
    table: pa.Table,
    registered: Registered,
    failed: Sequence[dict[str, Any]],
    name: str,
    command: str,
) -> dict[str, Any]:
    """What ``study.json`` holds: the hypotheses against the table.

    Args:
        study: What was asked.
        table: What was found.
        registered: What the study said before any run was finished.
        failed: Runs without a result.
        name: What the report calls it.
        command: The words that do it again.
    """
    columns, axes, chosen = table.to_pydict(), list(study.axes), None
    if study.select is not None:
        columns, chosen = select(columns, study.select, axes)
        axes = [axis for axis in axes if axis not in study.select.names]
    asked = family(registered, study)
    decided = test(asked.hypotheses, columns, study.correction, axes)
    results = [
        {
            **found.as_dict(),
            # The column that an effect is of says what it is counted in.
            "on": getattr(hypothesis, "on", getattr(hypothesis, "of", None)),
            "note": joined(found.note, note),
        }
        for hypothesis, found, note in zip(asked.hypotheses, decided, asked.notes, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "name": name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "limbeck": importlib.metadata.version("limbeck"),
        "axes": {axis: list(values) for axis, values in study.axes.items()},
        "seeds": study.seeds,
        "hypotheses": results,
        "registered": registered.when,
        "changes": asked.changes,
        "selected": chosen,
        "failed": list(failed),
        "command": command,
        "study_file": to_yaml(study),
    }


def _do(executor: Executor | None, runs: Sequence[Planned], folder: Path) -> list[dict[str, Any]]:
    """Run what is missing; without an executor, nothing is.

    Returns:
        What failed, with the end of its log.
    """
    jobs = [_job(run, folder) for run in runs]
    missing = [job for job in jobs if not job.done]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} runs are finished")
    others = {path.name for path in (folder / RUNS).glob("*")} - {run.id for run in runs}
    if others:
        say(f"{len(others)} more in {folder / RUNS} are of cells that the study no longer has")
    if executor is not None:
        with Watched(jobs) as told, stoppable():
            executor.run(missing, told)
    by_id = {run.id: run for run in runs}
    return [
        {
            "run": job.id,
            "cell": by_id[job.id].cell,
            "seed": by_id[job.id].seed,
            "error": job.error(),
        }
        for job in missing
        if not job.done
    ]


def executor_of(study: Study) -> Executor:
    """Where the runs are done."""
    spec = study.executor
    if isinstance(spec, RayCluster):
        from limbeck.studies.ray import RayExecutor  # takes seconds

        return RayExecutor(spec)
    from limbeck.studies.local import LocalExecutor

    return LocalExecutor(spec.processes)


def _job(run: Planned, folder: Path) -> Job:
    recipe = folder / "recipes" / f"{run.id}.yaml"
    if not recipe.exists() or recipe.read_text(encoding="utf-8") != run.recipe.to_yaml():
        write_text(recipe, run.recipe.to_yaml())
    log = folder / "logs" / f"{run.id}.log"
    return Job(run.id, f"{run.cell}, seed {run.seed}", recipe, run.folder, log, folder / SHARED)


def _table(study: Study, runs: Sequence[Planned], folder: Path) -> pa.Table | None:
    rows: list[Row] = []
    for run in runs:
        found = read_results(run.folder)
        if found is not None:
            rows += rows_of(run, found)
    return to_table(rows, list(study.axes)) if rows else None


def _report(found: dict[str, Any], table: pa.Table, folder: Path) -> None:
    from limbeck.reports.study import write_study_report

    write_study_report(found, table.to_pydict(), folder / "report.html")


def table_of(folder: Path) -> pa.Table:
    """The table of a study as far as it is, from the runs that are finished.

    Raises:
        RequestError: There is no study, or no finished run.
    """
    if (folder / RESOLVED).exists():
        study = load_study(folder / RESOLVED).model_copy(update={"output": str(folder)})
        table = _table(study, plan(study), folder)
        if table is not None:
            write_table(table, folder / FILE)
    if not (folder / FILE).exists():
        raise RequestError(
            "there is no study with a finished run here",
            where=str(folder),
            mend="limbeck study STUDY.yaml",
        )
    return pq.read_table(folder / FILE)
