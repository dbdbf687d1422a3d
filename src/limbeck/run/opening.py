"""Before a run begins: everything that a recipe refers to, opened and checked; nothing is written."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from limbeck.bench import Bench, open_bench
from limbeck.caching import Cache
from limbeck.caching.manifest import FILE
from limbeck.caching.shards import checksum
from limbeck.data import DataSpec, Examples, load_examples
from limbeck.doctor import Finding, examine, refuse, say_finding, server
from limbeck.files import digest
from limbeck.models import fingerprint
from limbeck.recipe import ModelSpec, Recipe
from limbeck.run.cached import open_cache
from limbeck.run.folder import RunFolder
from limbeck.run.served import ServedTeacher
from limbeck.run.tutored import check_tutoring, words_of


def opened(
    recipe: Recipe, folder: RunFolder, asks: Callable[[ServedTeacher], bool]
) -> tuple[Bench, list[Finding], Cache | None]:
    """Open a recipe, its data, tokenizers and cache, and say what the doctor warns of.

    Args:
        recipe: What is wanted.
        folder: The run's.
        asks: Whether a teacher behind a server will be asked, and so has to be there.

    Raises:
        RequestError: Something is missing, broken, or cannot work.
    """
    bench = open_bench(recipe)
    check_wishes(bench)
    findings = [*check_tutoring(bench), *examine(bench, folder.path, quick=True)]
    refuse(findings)
    if asks(ServedTeacher(folder, bench)):
        findings += server(bench)
        refuse(findings)
    cache = open_cache(bench)
    for finding in findings:
        if finding.status == "warn":
            say_finding(finding)
    return bench, findings, cache


def check_wishes(bench: Bench) -> None:
    """Refuse tasks and judges of the evaluation that are not there.

    Raises:
        RequestError: Names the task, and what there is.
    """
    if bench.recipe.evaluate.tasks or bench.recipe.evaluate.judges:
        from limbeck.run.benchmarked import check_tasks  # takes a second

        check_tasks(bench)


def hashes_of(bench: Bench) -> dict[str, str]:
    """Of everything the results depend on, to notice when it changes under an unfinished run."""
    recipe = bench.recipe
    hashes = {
        "student": fingerprint(recipe.student),
        "data": _of_rows(bench.examples),
        **words_of(bench),
    }
    if recipe.teacher is not None:
        hashes["teacher"] = fingerprint(recipe.teacher)
        if recipe.teacher.cache is not None:
            hashes["cache"] = checksum(Path(recipe.teacher.cache).expanduser() / FILE)
    others = {
        "corpus": recipe.corpus,
        "student.sft.data": _tuned_on(recipe.student),
        "teacher.sft.data": _tuned_on(recipe.teacher),
    }
    for name, data in others.items():
        if data is not None and data.origin != "task":  # which the recipe tells whole
            hashes[name] = _of_rows(load_examples(data))
    # FILE.yaml, FILE.py:NAME, NAME=ROWS
    parts = [part for words in recipe.evaluate.tasks for part in words.split("=")]
    files = [Path(part.partition(".py:")[0] + ".py" * (".py:" in part)) for part in parts]
    if there := [file for file in files if file.is_file()]:
        hashes["tasks"] = digest([checksum(file) for file in there])
    return hashes


def _tuned_on(spec: ModelSpec | None) -> DataSpec | None:
    return spec.sft.data if spec is not None and spec.sft is not None else None


def _of_rows(examples: Examples) -> str:
    rows = hashlib.blake2b(digest_size=16)
    for split in ("train", "validation", "test"):
        for e in getattr(examples, split):
            rows.update(repr((split, e)).encode("utf-8", "surrogatepass"))
    return rows.hexdigest()
