"""Refined data for another student: every student trained on what was written for each."""

import importlib.metadata
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.analysis import mcnemar, proportion
from limbeck.console import say
from limbeck.data import DataSpec
from limbeck.errors import RequestError
from limbeck.files import write_json, write_text
from limbeck.ranks import rank, wait_for_everyone
from limbeck.recipe import Recipe
from limbeck.reports.matrix import markdown
from limbeck.run.distill import Run, distill, read_run
from limbeck.run.donors import Donor, items_of, open_donors
from limbeck.run.folder import RunFolder
from limbeck.run.matched import Matched, Text, held_out, match, solutions

SCHEMA = "limbeck.transfer/1"


def transfer(runs: Sequence[Path], output: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Train every student on the first and on the refined solutions of each, and compare.

    Each training is an ordinary run below ``output/runs``; finished ones are read back, so that an
    interrupted transfer goes on where it was. What has the same words is trained on once.

    Args:
        runs: Folders of finished runs of ``undo``, of different students on the same data.
        output: Where texts, runs, ``transfer.json`` and ``transfer.md`` go.
        overrides: ``KEY=VALUE`` words for all trainings.

    Returns:
        What ``transfer.json`` holds.

    Raises:
        RequestError: The runs cannot be compared (`open_donors`, `match`), or the folder holds
            something else; nothing has been written.
        LimbeckError: A training failed; what was finished is kept.
    """
    donors = open_donors(runs, overrides)
    matched = match(donors)
    texts = _texts(donors, matched, output / "data")
    apart = [held_out(donors[0], split, output / "data") for split in ("validation", "test")]
    recipes = {
        (d.name, text.name): training(d, text, apart, output)
        for d, text in product(donors, dict.fromkeys(texts.values()))
    }
    for recipe in recipes.values():
        _check_folder(recipe)
    if rank() == 0:
        for text in (*texts.values(), *apart):
            text.write()
    wait_for_everyone()
    done = {}
    for number, (key, recipe) in enumerate(recipes.items(), 1):
        done[key] = _trained(recipe, f"training {number} of {len(recipes)}: {' on '.join(key)}")
    cells = [
        _cell(student, donor, *(done[student.name, texts[donor.name, t].name] for t in (0, 1)))
        for student, donor in product(donors, donors)
    ]
    found = {
        "schema": SCHEMA,
        "limbeck": importlib.metadata.version("limbeck"),
        "students": [_about(d) for d in donors],
        "rows": {**_counts(donors, matched), "test": cells[0]["delta"]["n"]},
        "overrides": list(overrides),
        "cells": cells,
    }
    if rank() == 0:
        write_json(output / "transfer.json", found)
        write_text(output / "transfer.md", markdown(found))
    return found


def training(donor: Donor, text: Text, apart: list[Text], output: Path) -> Recipe:
    """The recipe of one training: a donor's student, on a text.

    Args:
        donor: Whose student.
        text: What it reads.
        apart: Validation and test rows.
        output: The transfer's folder.
    """
    recipe = donor.bench.recipe
    data, (validation, test) = recipe.data, apart
    verifier = "after_marker" if data.origin == "task" else data.verifier
    kept = data.model_dump(include={"chat", "system", "max_length", "truncation"})
    files = {"source": text.file, "validation": validation.file, "test": test.file}
    rows = DataSpec(**{k: str(v) for k, v in files.items()}, verifier=verifier, **kept)
    folder = output / "runs" / f"{donor.name}-on-{text.name}"
    return recipe.model_copy(update={"data": rows, "output": str(folder)})


def _texts(donors: list[Donor], matched: Matched, folder: Path) -> dict[tuple[str, int], Text]:
    """First (0) and refined (1) solutions by donor; the same words are the same text."""
    texts: dict[tuple[str, int], Text] = {}
    known: dict[str, Text] = {}
    for refined, d in product((0, 1), donors):
        table, round_ = (d.refined, d.round) if refined else (d.first, 0)
        text = solutions(f"{d.name}-{round_}", matched, table, folder)
        texts[d.name, refined] = known.setdefault(text.lines, text)
    return texts


def _check_folder(recipe: Recipe) -> None:
    try:
        RunFolder(recipe.output).check(recipe, fresh=False)
    except RequestError as error:
        raise RequestError(
            error.what, where=error.where, mend="give another folder with --output"
        ) from None


def _trained(recipe: Recipe, what: str) -> Run:
    folder = RunFolder(recipe.output)
    if folder.finished:
        return read_run(folder.path)
    say(f"{what}  ({folder.path})")
    return distill(recipe)


def _about(d: Donor) -> dict[str, Any]:
    return {
        "name": d.name,
        "run": str(d.run.path),
        "source": d.run.results["models"]["before"]["source"],
        "parameters": d.run.results["models"]["before"]["parameters"],
        "rounds": len(d.run.results["training"]["student"]["rounds"]),
        "kept_round": d.kept,
        "refined_round": d.round,
    }


def _counts(donors: list[Donor], matched: Matched) -> dict[str, Any]:
    had = {d.name: {"first": len(d.first), "refined": len(d.refined)} for d in donors}
    return {"matched": len(matched.problems), "too_long": matched.too_long, "had": had}


def _cell(student: Donor, donor: Donor, first: Run, refined: Run) -> dict[str, Any]:
    """What the rewriting for one student did for another, or for itself."""
    before, after = (np.array(items_of(run)["correct"], dtype=float) for run in (first, refined))
    return {
        "trained": student.name,
        "data_of": donor.name,
        "own": student is donor,
        "first": {"run": str(first.path), "accuracy": proportion(before).as_dict()},
        "refined": {"run": str(refined.path), "accuracy": proportion(after).as_dict()},
        "delta": mcnemar(after, before).as_dict(),
    }
