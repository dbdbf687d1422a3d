"""Two models, or what they wrote, compared without any training: what ``limbeck audit`` does."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.caching.shards import checksum
from limbeck.console import say
from limbeck.data import load_examples
from limbeck.errors import RequestError
from limbeck.evaluation.audit import Losses
from limbeck.files import digest
from limbeck.models import parameters_of
from limbeck.recipe import load_recipe
from limbeck.run import results as put
from limbeck.run.arms import peak_memory_bytes
from limbeck.run.audit_folder import asked_in, own_folder, same_models
from limbeck.run.distill import Run, read_run
from limbeck.run.folder import RunFolder
from limbeck.run.measured import Measured
from limbeck.run.opposed import Opposed
from limbeck.run.saved import as_they_stand, is_saved, losses_of, scored

BASELINE = "sft"
"""The arm of the baseline, whatever it was made by: reports know it by this name."""
_LABELS = {"teacher": "Teacher", BASELINE: "Baseline", "student": "Student"}


@dataclass(frozen=True)
class Audit:
    """What is compared, and on what.

    Attributes:
        teacher: Hub id, folder, folder of a run, or a file of saved outputs.
        student: Likewise.
        output: The folder of the audit.
        baseline: A student that was trained without this teacher, to compare with; likewise.
        data: As a recipe's ``data``; by default that of the student's run, of which only the test
            rows are compared on. Files of outputs that say what is correct need none.
        losses: A file with the losses of baseline (``student``) and ``teacher`` on each item, to
            part the items by instead of their losses here: out of fold, say, where the models were
            trained on these rows.
        words: ``KEY=VALUE`` for these sections of a recipe: ``data``, ``evaluate``, ``student``,
            ``teacher``, ``seed``.
    """

    teacher: str
    student: str
    output: Path
    baseline: str | None = None
    data: str | None = None
    losses: str | None = None
    words: Sequence[str] = ()

    @property
    def places(self) -> dict[str, str]:
        """Arm to where it is, in the order of the report."""
        found = {"teacher": self.teacher, BASELINE: self.baseline, "student": self.student}
        return {arm: place for arm, place in found.items() if place is not None}

    @property
    def asked(self) -> str:
        """A hash of what is asked, wherever the answer is put; files count by what is in them."""
        files = [*filter(is_saved, self.places.values()), *([self.losses] if self.losses else [])]
        return digest(
            self.places, self.data, self.losses, tuple(self.words), *map(_bytes_of, files)
        )

    @property
    def command(self) -> str:
        """The words that do it again."""
        names = {"teacher": self.teacher, "student": self.student, "baseline": self.baseline}
        names |= {"data": self.data, "losses": self.losses, "output": str(self.output)}
        options = [
            f"--{name} {shlex.quote(said)}" for name, said in names.items() if said is not None
        ]
        return " ".join(["limbeck audit", *options, *map(shlex.quote, self.words)])


def audit(wish: Audit, *, fresh: bool = False) -> Run:
    """Compare, and write ``results.json``, ``items/`` and ``report.html``.

    An audit that was interrupted goes on where it was.

    Args:
        wish: What is compared.
        fresh: Delete an earlier audit in the same folder first.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was finished is kept.
    """
    if wish.losses is not None and wish.baseline is None:
        raise RequestError(
            "losses tell where a student before distillation is better, and none is given",
            where="--losses",
            mend="name it with --baseline",
        )
    models = {arm: place for arm, place in wish.places.items() if not is_saved(place)}
    if not models:
        return _of_files(wish, fresh)
    data = wish.data if wish.data is not None else _own_data(wish.student)
    return _of_models(wish, models, data, fresh)


def _of_files(wish: Audit, fresh: bool) -> Run:
    """Outputs only: nothing takes long, so nothing is kept to go on."""
    about: dict[str, Any] = {}
    if wish.data is not None:
        measured, about["data"] = _scored_by(wish, wish.data)
    elif wish.words:
        raise RequestError(
            f"{wish.words[0].partition('=')[0]} is of no use to outputs that are scored already",
            where="command line",
            mend="leave it out, or give --data to score them by its answers",
        )
    else:
        measured = as_they_stand(wish.places)
    keys = measured["student"].items["key"]
    losses = None if wish.losses is None else losses_of(wish.losses, keys)
    own_folder(wish.output, wish.asked, fresh)
    for arm, found in measured.items():
        found.write(wish.output / "items", arm)
    about |= {"evaluation": put.evaluation(measured, "pairs", None), "models": _named(wish, {})}
    return _reported(wish, measured, about, losses)


def _scored_by(wish: Audit, data: str) -> tuple[dict[str, Measured], dict[str, Any]]:
    """Every file scored by the answers of the data, and what the data are."""
    opposed = Opposed(wish.places, {}, data, wish.words, wish.output)
    useless = [key for key in opposed.request if key != "data"]
    if useless:
        raise RequestError(
            f"{useless[0]} is of no use to outputs that were written already",
            where="command line",
            mend="leave it out; data.KEY=VALUE says how the data are read",
        )
    spec = opposed.data_spec
    examples = load_examples(spec)
    rows = examples.train if spec.test == 0 else examples.test
    rows = sorted(rows, key=lambda e: e.key)
    measured = {arm: scored(place, rows, examples) for arm, place in wish.places.items()}
    return measured, {"source": spec.source, "notes": examples.notes, "compared": len(rows)}


def _own_data(student: str) -> dict[str, Any]:
    """What a run of ours was trained on and held out, where the student is one."""
    recipe = Path(student).expanduser() / "recipe.yaml"
    if not recipe.is_file():
        raise RequestError(
            "nothing says what the models are asked",
            where="--data",
            mend="give a file or hub id with prompts, and answers or completions",
        )
    return load_recipe(recipe).data.model_dump(exclude_defaults=True)


def _of_models(
    wish: Audit, models: Mapping[str, str], data: str | dict[str, Any], fresh: bool
) -> Run:
    opposed = Opposed(wish.places, models, data, wish.words, wish.output)
    folder, recipe = RunFolder(wish.output), opposed.recipe
    folder.check(recipe, fresh)
    if folder.finished and not fresh and asked_in(folder.path) == wish.asked:
        say(f"this audit is finished: {folder / 'report.html'} (--fresh starts over)")
        return read_run(folder.path)
    saved = {
        arm: scored(place, opposed.rows.examples, opposed.examples)
        for arm, place in wish.places.items()
        if arm not in models
    }
    keys = [e.key for e in opposed.rows.examples]
    losses = None if wish.losses is None else losses_of(wish.losses, keys)
    hashes = opposed.hashes | {arm: put.hash_of(found.items) for arm, found in saved.items()}
    if not fresh:
        same_models(folder.path, hashes, _LABELS)
    with folder.open(recipe, hashes, fresh):
        for arm, found in saved.items():
            found.write(folder / "items", arm)
        measured = {
            arm: saved[arm] if arm in saved else opposed.measure(folder, arm) for arm in wish.places
        }
        sizes = {arm: parameters_of(bench.student.config) for arm, bench in opposed.benches.items()}
        bench = opposed.first
        longest = opposed.measuring(folder, bench).max_new_tokens if bench.has_answers else None
        about = {
            "evaluation": put.evaluation(measured, bench.examples.kind, longest),
            "models": _named(wish, sizes),
            "data": {
                "source": recipe.data.source,
                "compared": len(opposed.rows.examples),
                "notes": bench.examples.notes,
                "truncation": bench.counts[opposed.split] | {"max_length": bench.max_length},
            },
            "seed": recipe.seed,
            "costs": {
                "wall_seconds": folder.seconds(),
                "peak_memory_bytes": peak_memory_bytes(),
            },
        }
        return _reported(wish, measured, about, losses)


def _bytes_of(place: str) -> str:
    path = Path(place).expanduser()
    return checksum(path) if path.is_file() else ""


def _named(wish: Audit, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {
        arm: {
            "label": _LABELS[arm],
            "source": place,
            **({"parameters": sizes[arm]} if arm in sizes else {}),
        }
        for arm, place in wish.places.items()
    }


def _reported(
    wish: Audit, measured: dict[str, Measured], about: dict[str, Any], losses: Losses | None
) -> Run:
    found = {
        "schema": put.SCHEMA,
        "name": wish.output.name,
        "created": put.now(),
        **put.compared(measured, losses),
        "environment": put.environment(),
        "command": wish.command,
        "asked": wish.asked,
        **about,
    }
    put.report(found, put.browsed(measured), wish.output)
    return read_run(wish.output)
