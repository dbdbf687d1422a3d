"""Training from a teacher cache: what must agree, and the text that it holds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.caching import Cache, check_files, recompute
from limbeck.caching.text import key, with_others
from limbeck.caching.verifier import refuse
from limbeck.data import Author, Sequence
from limbeck.errors import RequestError
from limbeck.ranks import rank
from limbeck.recipe import ModelSpec
from limbeck.run.folder import RunFolder
from limbeck.run.origin import origin_of
from limbeck.run.text import RoundLab
from limbeck.targets import ModelTeacher

SAMPLE = 4  # sequences that are recomputed before a training

_NEEDS = {
    "average": "an estimate of the teacher's distribution",
    "events": "the teacher's probabilities themselves",
    "logits": "the whole distribution, to take it at another temperature",
}
_HOLDS = {
    "topk": "the likeliest tokens",
    "sampled": "samples, which are right on average and only for the forward KL at temperature 1",
    "hidden": "everything",
}
_MENDS = {
    "average": "make a cache with --encoding topk",
    "events": "make a cache with --encoding topk or --encoding hidden",
    "logits": "make a cache with --encoding hidden, or train at method.temperature=1",
}


def open_cache(bench: Bench) -> Cache | None:
    """The cache that a recipe trains from, after everything that can be checked without weights.

    Raises:
        RequestError: It is none, holds less than the method needs, or is of something else.
        LimbeckError: A file is damaged.
    """
    recipe = bench.recipe
    if recipe.teacher is None or recipe.teacher.cache is None:
        return None
    cache = Cache(Path(recipe.teacher.cache).expanduser())
    method, name = bench.method, recipe.method["name"]
    if method.imitates and method.needs not in cache.encoding.serves:
        raise RequestError(
            f"the method {name}, as it is set, needs {_NEEDS[method.needs]}, "
            f"and this cache holds {_HOLDS[cache.encoding.name.partition('-')[0]]}",
            where=f"teacher.cache: {cache.folder}",
            mend=_MENDS[method.needs],
        )
    spec = recipe.teacher
    teacher = spec if spec.has_weights or spec.server is not None else None
    refuse_difference(cache, bench, teacher)
    if rank() == 0:
        check_files(cache)
    if method.imitates:
        _refuse_missing(cache, bench, teacher)
    return cache


def refuse_difference(cache: Cache, bench: Bench, teacher: ModelSpec | None) -> None:
    """Stop at a cache of another teacher, tokenizer, template or setting.

    Args:
        cache: Whose manifest is compared.
        bench: What would be trained.
        teacher: The model that would be loaded; None where there is only the cache.

    Raises:
        RequestError: They differ.
    """
    parts: tuple[str, ...] = ("tokenizer", "template", "settings")
    if teacher is not None:
        parts = ("teacher", *parts)
    if bench.method.teacher_writes:
        parts = (*parts, "data")
    _refuse(cache, cache.manifest.origin.difference(origin_of(bench, teacher), parts))


def judged(bench: Bench, lab: RoundLab) -> list[Sequence]:
    """Every sequence that the teacher is asked about: of the student, its control, and validation."""
    from limbeck.run.arms import arms_of, validation_rows

    *others, student = [
        arm.rows(replace(lab, only_labelled=arm.only_labelled))
        for arm in arms_of(bench)
        if arm.method.imitates
    ]
    return with_others(student, [s for rows in (*others, validation_rows(bench)) for s in rows])


def sample_again(cache: Cache, teacher: ModelTeacher, pad: int, seed: int) -> dict[str, Any]:
    """Compare a few sequences with the teacher before they are trained on.

    Raises:
        LimbeckError: The teacher says something else.
    """
    found = recompute(cache, teacher, pad, seed=seed, limit=SAMPLE)
    refuse(found, cache)
    return {"tokens": found.tokens, "nats": found.nats, "deviations": found.deviations}


class CachedLab(RoundLab):
    """A lab whose teacher has answered already: its answers are in the cache."""

    def teacher_answers(self) -> list[dict[str, Any]]:
        """The answers that the cache was made with; only finished ones were kept."""
        cache = self.teacher.cache
        assert cache is not None
        return [
            {"example": s.example, "tokens": list(s.completion), "finished": True}
            for s in (cache.text[row] for row in range(len(cache)))
            if s.author == Author.TEACHER
        ]


def _refuse(cache: Cache, difference: tuple[str, str, str] | None) -> None:
    if difference is None:
        return
    name, was, now = difference
    raise RequestError(
        f"this cache was made with another {name}",
        where=f"{cache.folder}: {name} was {was} and is now {now}",
        mend="make a cache of this recipe: limbeck cache RECIPE --output FOLDER",
    )


def _refuse_missing(cache: Cache, bench: Bench, teacher: ModelSpec | None) -> None:
    """Stop where a row that will be trained on is not in the cache."""
    from limbeck.run.teacher import TeacherStage

    stage = TeacherStage(RunFolder(bench.recipe.output), bench, cache)
    rows = judged(bench, CachedLab(bench, cache.folder, stage))
    missing = int((cache.text.find([key(s.prompt, s.completion) for s in rows]) < 0).sum())
    if not missing:
        return
    was, now = cache.manifest.origin.data, origin_of(bench, teacher).data
    raise RequestError(
        f"{missing:,} of {len(rows):,} rows are not in the cache: it was made of other data",
        where=f"{cache.folder}: data was {was['source']} ({was['hash'][:12]}) "
        f"and is now {now['source']} ({now['hash'][:12]})",
        mend="make a cache of this recipe: limbeck cache RECIPE --output FOLDER",
    )
