"""Before a run begins: everything that a recipe refers to, opened and checked; nothing is written."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from limbeck.bench import Bench, open_bench
from limbeck.caching import Cache
from limbeck.caching.manifest import FILE
from limbeck.caching.shards import checksum
from limbeck.doctor import Finding, examine, refuse, say_finding, server
from limbeck.models import fingerprint
from limbeck.recipe import Recipe
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
    if recipe.evaluate.tasks or recipe.evaluate.judges:
        from limbeck.run.benchmarked import check_tasks  # takes a second

        check_tasks(bench)
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


def hashes_of(bench: Bench) -> dict[str, str]:
    """Of everything the results depend on, to notice when it changes under an unfinished run."""
    recipe = bench.recipe
    rows = hashlib.blake2b(digest_size=16)
    for split in ("train", "validation", "test"):
        for e in getattr(bench.examples, split):
            rows.update(repr((split, e)).encode("utf-8", "surrogatepass"))
    hashes = {"student": fingerprint(recipe.student), "data": rows.hexdigest(), **words_of(bench)}
    if recipe.teacher is not None:
        hashes["teacher"] = fingerprint(recipe.teacher)
        if recipe.teacher.cache is not None:
            hashes["cache"] = checksum(Path(recipe.teacher.cache).expanduser() / FILE)
    return hashes
