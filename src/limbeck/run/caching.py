"""Making a teacher cache from a recipe, and checking one."""

from dataclasses import dataclass
from pathlib import Path

from limbeck.bench import Bench, open_bench
from limbeck.caching import (
    Cache,
    Encoding,
    TopKEncoding,
    Verified,
    check_files,
    choose,
    recompute,
    write_cache,
)
from limbeck.caching.encodings import described
from limbeck.caching.manifest import FILE
from limbeck.console import say
from limbeck.doctor import examine, log_probs, refuse
from limbeck.engines.special_tokens import pad_id
from limbeck.errors import RequestError
from limbeck.models import matmul_precision
from limbeck.ranks import rank, wait_for_everyone
from limbeck.recipe import Recipe
from limbeck.run.cached import judged, refuse_difference
from limbeck.run.folder import RunFolder
from limbeck.run.origin import origin_of
from limbeck.run.served import ServedLab, ServedTeacher
from limbeck.run.shown import ask_again, write_shown
from limbeck.run.teacher import precision_of
from limbeck.run.text import RoundLab


@dataclass(frozen=True)
class Wish:
    """How a cache is to be encoded; see `limbeck.caching.choose`."""

    encoding: str = "topk"
    k: int = 128
    samples: int = 50
    exact: int = 0


def make_cache(recipe: Recipe, output: Path | None, wish: Wish, fresh: bool = False) -> Cache:
    """Compute what the teacher says of every token that the recipe trains on, and keep it.

    Interrupted, it goes on where it was when it is called again.

    Args:
        recipe: As for `distill`.
        output: Folder of the cache; by default the recipe's ``teacher.cache``.
        wish: What is kept.
        fresh: Delete what is in the folder first.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was finished is kept.
    """
    folder = RunFolder(_folder(recipe, output))
    recipe = _without_cache(recipe, folder.path)
    folder.check(recipe, fresh)
    bench = open_bench(recipe)
    refuse(examine(bench, folder.path, quick=True))
    encoding = _encoding(bench, wish)
    if (folder / FILE).exists() and not fresh:
        _same_encoding(Cache(folder.path), encoding)
    served = ServedTeacher.of(folder, bench)
    if served is not None:
        refuse([log_probs(bench, wish.k)])
    _say_size(bench, encoding)
    from limbeck.run.opening import hashes_of  # the Trainer takes seconds to import
    from limbeck.run.teacher import TeacherStage

    with folder.open(recipe, hashes_of(bench), fresh), matmul_precision(recipe.matmul_precision):
        teacher = TeacherStage(folder, bench)
        teacher.prepare()
        if rank() == 0:
            text = folder / "rounds" / "000"
            lab = (RoundLab if served is None else ServedLab)(bench, text, teacher)
            rows, origin = judged(bench, lab), origin_of(bench, teacher.prepared)
            if served is not None:
                assert isinstance(encoding, TopKEncoding)
                write_shown(folder.path, rows, served, encoding, origin)
            else:
                pad = pad_id(bench.student.tokenizer)
                write_cache(folder.path, rows, teacher.judge, encoding, origin, pad)
        wait_for_everyone()
    return Cache(folder.path)


def verify_cache(recipe: Recipe, output: Path | None) -> tuple[Cache, Verified]:
    """Check every file of a cache, and ask the teacher again about one shard.

    Raises:
        RequestError: There is no cache, or it is not this recipe's.
        LimbeckError: A file is damaged.
    """
    folder = _folder(recipe, output)
    cache = Cache(folder)
    bench = open_bench(_without_cache(recipe, folder))
    from limbeck.run.teacher import TeacherStage

    teacher = TeacherStage(RunFolder(folder), bench)
    refuse_difference(cache, bench, teacher.prepared)
    check_files(cache)
    served = ServedTeacher.of(RunFolder(folder), bench)
    if served is not None:
        return cache, ask_again(cache, served, recipe.seed)
    with matmul_precision(recipe.matmul_precision):
        pad = pad_id(bench.student.tokenizer)
        return cache, recompute(cache, teacher.judge, pad, seed=recipe.seed)


def _folder(recipe: Recipe, output: Path | None) -> Path:
    if output is not None:
        return output.expanduser()
    if recipe.teacher is not None and recipe.teacher.cache is not None:
        return Path(recipe.teacher.cache).expanduser()
    raise RequestError(
        "it is not said which folder the cache is in",
        where="--output",
        mend="give --output FOLDER, or teacher.cache in the recipe",
    )


def _without_cache(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe as it makes the cache: with the model, and in the cache's folder."""
    name, teacher = recipe.method["name"], recipe.teacher
    method = recipe.build_method()
    if not method.imitates:
        raise RequestError(
            f"the method {name} asks no teacher for its distribution, so there is nothing to cache",
            where="method",
            mend="its text alone is kept by limbeck distill",
        )
    if method.student_writes:
        raise RequestError(
            f"the method {name} trains on text that the student writes, which nobody can know before",
            where="method.lmbda",
            mend="set method.lmbda=0, or train with the teacher itself",
        )
    if teacher is None or not (teacher.has_weights or teacher.server):
        raise RequestError(
            "a cache is computed, and checked, with the teacher's weights or by its server",
            where="teacher",
            mend="add teacher.model: a hub id or folder, or its name at teacher.server",
        )
    teacher = teacher.model_copy(update={"cache": None})
    return recipe.model_copy(update={"teacher": teacher, "output": str(folder)})


def _encoding(bench: Bench, wish: Wish) -> Encoding:
    assert bench.recipe.teacher is not None
    if bench.recipe.teacher.server is not None and wish.encoding.partition("-")[0] != "topk":
        raise RequestError(
            "a server shows its likeliest tokens, and nothing else of what it computes",
            where=f"--encoding {wish.encoding}",
            mend="use --encoding topk, or a teacher that is loaded here",
        )
    width, precision = 0, "float32"  # a server shows no hidden states
    if bench.teacher is not None:
        width, precision = bench.teacher.config.get_text_config().hidden_size, precision_of(bench)
    return choose(
        wish.encoding,
        k=wish.k,
        samples=wish.samples,
        exact=wish.exact,
        vocabulary=len(bench.student.tokenizer),
        width=width,
        precision=precision,
    )


def _same_encoding(cache: Cache, encoding: Encoding) -> None:
    was, now = cache.manifest.encoding, described(encoding)
    for name, value in now.items():
        if was.get(name) != value:
            raise RequestError(
                f"this folder holds a cache with another {name}",
                where=f"{cache.folder}: {name} was {was.get(name)!r} and is now {value!r}",
                mend="give another --output, or --fresh to delete that cache and start over",
            )


def _say_size(bench: Bench, encoding: Encoding) -> None:
    """What the shards will take, before anything is computed."""
    from limbeck.run.arms import validation_rows

    each, train = encoding.bytes_per_token, bench.sequences["train"]
    tokens = sum(len(s.completion) for s in [*train, *validation_rows(bench)])
    bound = "up to " if encoding.ragged else ""
    if bench.method.teacher_writes:
        tokens, bound = tokens + len(train) * bench.recipe.generation.max_new_tokens, "up to "
    size = _size(each * tokens)
    say(f"cache: {encoding.name}, {each:,} bytes a token, {bound}{tokens:,} tokens: {bound}{size}")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
