"""Can the teacher behind a server be asked? The only checks that talk to anybody."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from limbeck.bench import Bench
from limbeck.data import Message
from limbeck.doctor.finding import Finding
from limbeck.engines import Request
from limbeck.errors import LimbeckError
from limbeck.recipe import ModelSpec

_LOCAL = ("localhost", "127.0.0.1", "::1")
_PROBE = "The 12 cats' naïve café,\n\tif x != 3.14: 日本語  done"


def server(bench: Bench) -> Iterator[Finding]:
    """Does the server answer, and does it offer the model?"""
    spec = bench.recipe.teacher
    if spec is None or spec.server is None:
        return
    cached = spec.cache is not None
    if cached and not bench.has_answers:
        return  # it is not asked any more
    yield from _key_in_the_clear(spec.server)
    if bench.method.imitates and not cached:
        yield _in_training(bench)
        return
    yield from _fits(bench)
    try:
        yield _reached(bench, spec)
    except LimbeckError as error:
        yield Finding("server", "fail", error.what, error.where, error.mend)


def log_probs(bench: Bench, k: int) -> Finding:
    """Does the server show so many of the likeliest tokens, of the student's own ids?"""
    from limbeck.engines.likeliest import Likeliest, of_completion, of_text, shown_in

    spec = bench.recipe.teacher
    assert spec is not None and spec.server is not None
    engine = Likeliest(spec.server, spec.timeout_seconds or 60.0)
    name, own = spec.model or "", bench.student.tokenizer(_PROBE)["input_ids"]
    try:
        theirs, _ = shown_in(engine.answer(of_text(name, _PROBE)))
        if theirs.ravel().tolist() == own[1:]:
            engine.answer(of_completion(name, own[:1], own[1:], k))
            return Finding("server", "ok", f"{spec.server} shows the {k} likeliest tokens")
    except LimbeckError as error:
        return Finding("server", "fail", error.what, error.where, error.mend)
    return Finding(
        "server",
        "fail",
        f"{name} reads other token ids than the student",
        f"{spec.server}: what it says of its tokens says nothing of the student's",
        "take a student of the teacher's family, or learn from its text: method: seqkd",
    )


def _in_training(bench: Bench) -> Finding:
    """A loss on probabilities that nobody has asked for yet."""
    finding = log_probs(bench, 1)
    name = bench.recipe.method["name"]
    reads = f"the method {name} reads the teacher's probabilities"
    if finding.status == "fail":
        return replace(finding, what=f"{reads}, and {finding.what}")
    return Finding(
        "server",
        "fail",
        f"{reads}, and no server is asked during training",
        "this one shows its likeliest tokens, which can be kept beforehand",
        "limbeck cache RECIPE --output FOLDER --k 20, then limbeck distill RECIPE "
        "teacher.cache=FOLDER",
    )


def _reached(bench: Bench, spec: ModelSpec) -> Finding:
    from limbeck.engines.openai_compatible import OpenAICompatible  # takes a second

    engine = OpenAICompatible(spec.server or "", spec.timeout_seconds or 60.0)
    name = spec.model or ""
    # Some servers list a part of what they serve, or nothing, or fail at it.
    with contextlib.suppress(LimbeckError):
        if name in (engine.models() or []):
            return Finding("server", "ok", f"{spec.server} answers, and offers {name}")
    turns = not isinstance(bench.examples.train[0].prompt, str)
    chat = turns or bench.recipe.data.chat or bench.method.tutors
    prompt = (Message("user", "Hello"),) if chat else "Hello"
    engine.answer(Request(name, prompt, max_new_tokens=1, temperature=0.0, top_p=1.0))
    return Finding("server", "ok", f"{spec.server} does not list {name}, but it answers")


def _fits(bench: Bench) -> Iterator[Finding]:
    if bench.examples.kind == "text":
        yield Finding(
            "server",
            "fail",
            "the data is running text, without prompts",
            "there is nothing that a server could be asked",
            "give rows with prompt, or a teacher that is loaded here",
        )
    elif not bench.has_answers and any(not s.completion for s in bench.sequences["test"]):
        yield Finding(
            "server",
            "warn",
            "test rows have neither completions nor answers to verify",
            "a server's text has no likelihood, so the student cannot be scored on them",
            "give test rows a completion, or an answer with data.verifier",
        )


def _key_in_the_clear(url: str) -> Iterator[Finding]:
    from limbeck.engines.openai_compatible import KEYS

    parts = urlsplit(url)
    named = next((name for name in KEYS if os.environ.get(name)), None)
    if named is not None and parts.scheme == "http" and parts.hostname not in _LOCAL:
        yield Finding(
            "server",
            "warn",
            f"the key in {named} is sent to {parts.hostname} without encryption",
            "anybody on the way can read it",
            "use https, or unset it where the server needs none",
        )
