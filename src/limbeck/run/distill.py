"""The main job, as far as it can be refused: everything that takes long is in `limbeck.run.work`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.bench import open_bench
from limbeck.console import say
from limbeck.doctor import Finding, examine, server
from limbeck.errors import RequestError
from limbeck.models import matmul_precision
from limbeck.recipe import Recipe, load_recipe
from limbeck.run.cached import open_cache
from limbeck.run.folder import RunFolder
from limbeck.run.opening import check_wishes, hashes_of, opened
from limbeck.run.tutored import check_tutoring


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: Its folder.
        results: What ``results.json`` holds.
    """

    path: Path
    results: dict[str, Any]

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.path / "report.html"

    @property
    def student(self) -> Path:
        """The distilled student, a transformers folder."""
        return self.path / "student"

    def items(self) -> list[dict[str, Any]]:
        """Every held-out item with what each model wrote, read from ``items/``."""
        # Not before: these take a second to import.
        from limbeck.run.measured import Measured
        from limbeck.run.results import browsed

        folder = self.path / "items"
        arms = [a for a in self.results["models"] if (folder / f"{a}.parquet").exists()]
        return browsed({arm: Measured.read(folder, arm) for arm in arms}) if arms else []


def read_run(path: str | Path) -> Run:
    """A finished run from its folder.

    Raises:
        RequestError: There is no finished run.
    """
    file = Path(path) / "results.json"
    if not file.exists():
        raise RequestError(
            "there is no finished run here",
            where=str(path),
            mend="limbeck distill RECIPE makes one, or finishes it",
        )
    return Run(Path(path), json.loads(file.read_text(encoding="utf-8")))


def check(path: Path, overrides: list[str], weights: bool = False) -> list[Finding]:
    """What the doctor says of a recipe file; writes nothing.

    Args:
        path: The recipe.
        overrides: ``KEY=VALUE`` words.
        weights: Where nothing fails, load both models and measure the teacher's lead as well.

    Raises:
        RequestError: The recipe cannot be understood, or something it names is not there.
    """
    return check_recipe(load_recipe(path, overrides), weights)


def check_recipe(recipe: Recipe, weights: bool = False) -> list[Finding]:
    """What the doctor says of a recipe; see `check`."""
    RunFolder(recipe.output).check(recipe, fresh=False)
    bench = open_bench(recipe)
    check_wishes(bench)
    rounds = check_tutoring(bench)
    findings = [*examine(bench, Path(recipe.output)), *rounds, *server(bench)]
    open_cache(bench)
    if weights and not any(f.status == "fail" for f in findings):
        from limbeck.doctor.headroom import load_and_compare

        findings.append(load_and_compare(bench))
    return findings


def distill(
    recipe: Recipe,
    *,
    fresh: bool = False,
    name: str | None = None,
    profile: bool = False,
    shared: Path | None = None,
) -> Run:
    """Run a recipe; a run that was interrupted goes on where it was.

    Args:
        recipe: What to do.
        fresh: Delete an earlier run in the same folder first.
        name: What the report calls it; by default the folder's name.
        profile: Measure where the time and memory of a training step go; a table for each
            training, and ``profile/NAME.json`` in the folder.
        shared: A folder in which runs share what does not depend on their method: a fine-tuned
            teacher, its text, the baseline, and their scores.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was finished is kept.
    """
    folder = RunFolder(recipe.output, shared)
    folder.check(recipe, fresh)
    if folder.finished and not fresh:
        say(f"this run is finished: {folder / 'report.html'} (--fresh starts over)")
        return read_run(folder.path)
    bench, findings, cache = opened(
        recipe, folder, lambda served: fresh or not served.all_answered()
    )
    # Not before: the Trainer, SciPy and the report take seconds to import.
    from limbeck.run.work import work

    with folder.open(recipe, hashes_of(bench), fresh), matmul_precision(recipe.matmul_precision):
        work(folder, bench, findings, name or folder.path.name, profile, cache)
    return read_run(folder.path)
