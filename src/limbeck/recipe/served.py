"""A teacher behind an API: does the recipe ask of it what a server can give?"""

from urllib.parse import urlsplit

from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method
from limbeck.recipe.sections import Generation, ModelSpec, Recipe


def check_served(recipe: Recipe, method: Method) -> None:
    """Refuse what no server can do, and keys that only servers have where there is none.

    Raises:
        RequestError: See above.
    """
    teacher = recipe.teacher
    for side, spec in (("student", recipe.student), ("teacher", teacher)):
        if spec is not None and (spec.server is None or side == "student"):
            _check_local(spec, side)
    if teacher is None or teacher.server is None:
        return
    _check_url(teacher.server)
    if teacher.model is None:
        raise RequestError(
            "it is not said which of the server's models is the teacher",
            where="teacher.model",
            mend="add model: the name that it has at the server",
        )
    asked = {*ModelSpec.ASKING, "model", "cache"}
    others = teacher.changed(*(k for k in ModelSpec.model_fields if k not in asked))
    if others:
        raise RequestError(
            f"{others[0]} is about a model that is loaded here, and this one is behind a server",
            where=f"teacher.{others[0]}",
            mend=f"leave out teacher.{others[0]}, or teacher.server",
        )
    if teacher.budget is not None and teacher.budget.money is not None and teacher.prices is None:
        raise RequestError(
            "a budget in money needs prices",
            where="teacher.budget.money",
            mend="add teacher.prices: {input: ..., output: ...}, each for a million tokens",
        )
    _check_method(recipe.method["name"], method)
    _check_generation(recipe.generation)


def _check_local(spec: ModelSpec, side: str) -> None:
    for name in sorted(ModelSpec.ASKING, key=lambda name: name != "server"):
        if getattr(spec, name) is not None:
            student = side == "student"
            raise RequestError(
                "a student is trained, so it cannot be behind a server"
                if student
                else f"{name} is about asking a server, and there is none",
                where=f"{side}.{name}",
                mend=f"leave out {side}.{name}"
                + ("" if student else ", or add teacher.server: the URL of its API"),
            )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        raise RequestError(
            f"this is no address of a server: {url!r}",
            where="teacher.server",
            mend="give the base URL of its API, such as http://localhost:8000/v1",
        )
    if parts.username is not None or parts.password is not None or parts.query:
        raise RequestError(  # and does not repeat them
            "the address carries credentials or a query, and a recipe is written to the disk",
            where="teacher.server",
            mend="give the plain URL, and a key as LIMBECK_API_KEY in the environment",
        )


def _check_method(name: str, method: Method) -> None:
    """What a server shows at most, its likeliest tokens, a cache can keep (`limbeck cache`)."""
    beforehand = not (method.student_writes or method.writes_together or method.needs_path)
    enough = beforehand and method.needs != "logits"
    if not (method.imitates or method.writes_together) or enough:
        return
    able = ", ".join(n for n, m in METHODS.items() if not m.imitates and m().teacher_writes)
    raise RequestError(
        f"the method {name} reads the teacher's probabilities of all tokens, and a server gives "
        "text, with at most a few of the likeliest tokens",
        where="teacher.server",
        mend=f"use a method that learns from text alone: {able}; or kd at temperature 1, from a "
        "cache of what the server shows; or a teacher that is loaded here",
    )


def _check_generation(generation: Generation) -> None:
    here = {
        "engine": "leave it out: the server has one of its own",
        "top_k": "it is no part of the protocol: leave it out, and use top_p",
        "num_beams": "it is no part of the protocol: leave it out; temperature: 0 is greedy",
        "batch_size": "leave it out: teacher.concurrency says how many are asked at once",
    }
    for name in generation.changed(*here):
        raise RequestError(
            f"a server is not told {name}", where=f"generation.{name}", mend=here[name]
        )
