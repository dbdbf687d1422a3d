"""Judges by name: behind a server, or loaded here."""

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from limbeck.data import Example, Message
from limbeck.data.chat import render
from limbeck.engines import Engine, Request, TextEngine
from limbeck.engines.local import InProcess
from limbeck.engines.special_tokens import end_ids, pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError, RequestError
from limbeck.evaluation.judge import Judge, Pair, Settings
from limbeck.models import device, fingerprint, load_config, load_model, load_tokenizer
from limbeck.recipe import ModelSpec
from limbeck.sources import Budget

if TYPE_CHECKING:
    from limbeck.engines.openai_compatible import OpenAICompatible

Opened = tuple[Judge, dict[str, Any]]


def judge_spec(words: str) -> ModelSpec:
    """``MODEL@https://host/v1``, or the hub id or folder of a model to load.

    Raises:
        RequestError: A server is named, but no model there, or its address cannot be used.
    """
    model, at, url = words.rpartition("@")
    if not at or not url.lower().startswith(("http://", "https://")):
        # A folder may have an @ in its name.
        if "://" in words or not words.strip():
            raise RequestError(
                "this names no judge",
                where="judge",
                mend="write MODEL@https://host/v1, or a hub id or folder",
            )
        return ModelSpec(model=words)
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not model or not known:
        raise RequestError(
            "a judge behind a server is its name there and the API's base URL",
            where="judge",
            mend="write MODEL@https://host/v1",
        )
    if "://" in model or parts.query or parts.username is not None:  # and does not repeat them
        raise RequestError(
            "the address carries credentials or a query, and results are written to the disk",
            where="judge",
            mend="give the plain URL, and a key as LIMBECK_API_KEY in the environment",
        )
    return ModelSpec(model=model, server=url)


def open_judge(
    spec: ModelSpec, folder: Path, pairs: Sequence[Pair], settings: Settings, batch_size: int
) -> Opened:
    """A judge, and who it is in words that a report can give.

    Its answers are kept in the folder under a hash of what it is, its weights included. A model is
    loaded when it is first asked something that is not answered yet.

    Args:
        spec: Server, hub id or folder.
        folder: Where answers are kept.
        pairs: What it is to compare.
        settings: How it is asked.
        batch_size: Requests at once to a model that is loaded here.

    Raises:
        RequestError: It cannot be loaded, or has no room for one of the pairs.
    """
    identity = fingerprint(spec)
    about = {"model": spec.model, "server": spec.server, "fingerprint": identity}
    store = folder / f"judge-{identity[:12]}.sqlite"
    if spec.server is not None:
        return _served(spec, store, settings), {**about, "engine": {"name": "server"}}
    judge, engine = _loaded(spec, store, pairs, settings, batch_size)
    return judge, {**about, "engine": engine}


def _served(spec: ModelSpec, store: Path, settings: Settings) -> Judge:
    @functools.cache
    def engine() -> TextEngine:
        from limbeck.engines.openai_compatible import OpenAICompatible  # takes a second

        found = OpenAICompatible(spec.server or "", spec.timeout_seconds or 60.0)
        _reach(found, spec.model or "")
        return found

    return Judge(
        spec.model or "",
        engine,
        store,
        where=spec.server or "",
        settings=settings,
        concurrency=spec.concurrency or 8,
        budget=_budget(spec),
    )


def _reach(engine: "OpenAICompatible", model: str) -> None:
    """Is it there? Among a thousand requests, its absence would be waited out.

    Raises:
        LimbeckError: Nobody answers for the model.
    """
    with contextlib.suppress(LimbeckError):  # some servers list a part, or nothing, or fail at it
        if model in (engine.models() or []):
            return
    try:
        engine.answer(Request(model, (Message("user", "Hello"),), 1, 0.0, 1.0))
    except LimbeckError as error:
        mend = "check the judge's name and address, and whether its server is running"
        raise LimbeckError(error.what, where=error.where, mend=mend) from error


def _loaded(
    spec: ModelSpec, store: Path, pairs: Sequence[Pair], settings: Settings, batch_size: int
) -> tuple[Judge, dict[str, Any]]:
    tokenizer = load_tokenizer(spec, "judge")
    if tokenizer is None:
        raise RequestError(
            "the judge brings no tokenizer",
            where=str(spec.model),
            mend="name a whole model folder",
        )

    def engine() -> Engine:
        weights = load_model(spec, "judge", tokenizer, 0, "auto").eval().to(device())
        ends = end_ids(tokenizer, weights)
        return TransformersEngine(weights, pad_id(tokenizer), ends, len(tokenizer))

    text = InProcess(engine, tokenizer, batch_size)
    judge = Judge(
        Path(spec.model or "").name,  # seeds come from it: the same wherever the folder lies
        lambda: text,
        store,
        where=spec.model or "",
        settings=settings,
        marks=_marks(tokenizer),
        system=_knows_system(tokenizer),
        concurrency=batch_size,
    )
    config = load_config(spec, "judge", tokenizer).get_text_config()
    _check_room(judge, pairs, text, getattr(config, "max_position_embeddings", None))
    return judge, {
        "name": "transformers",
        "dtype": spec.dtype or str(getattr(config, "dtype", None) or "auto"),
        "device": device().type,
        "batch_size": batch_size,
        "chat": bool(tokenizer.chat_template),
        "system": judge.system,
    }


def _check_room(
    judge: Judge, pairs: Sequence[Pair], engine: InProcess, context: int | None
) -> None:
    if context is None:
        return
    room = context - judge.settings.max_new_tokens
    lengths = {p.id: max(map(len, map(engine.ids, judge.requests([p]))), default=0) for p in pairs}
    long = [name for name, length in lengths.items() if length > room]
    if long:
        worst = max(long, key=lengths.__getitem__)
        raise RequestError(
            f"{len(long):,} of {len(pairs):,} items do not fit into the judge's context of "
            f"{context:,} tokens",
            where=f"{judge.where}; the longest is {worst} with {lengths[worst]:,} tokens",
            mend="take a judge with a longer context, or give the models fewer --max-new-tokens",
        )


def _marks(tokenizer: Any) -> frozenset[str]:
    """Texts that the tokenizer reads as one of its special tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return frozenset([*tokenizer.all_special_tokens, *(t.content for t in added if t.special)])


def _knows_system(tokenizer: Any) -> bool:
    """Whether the chat template writes a system message; some refuse it, some leave it out."""
    if not tokenizer.chat_template:
        return True  # the turns stand one below the other
    words = "be just"
    try:
        turns = (Message("system", words), Message("user", "hello"))
        return words in render(Example(turns), tokenizer, None, "judge")[0]
    except RequestError:
        return False


def _budget(spec: ModelSpec) -> Budget:
    limits, prices = spec.budget, spec.prices
    return Budget(
        limits.tokens if limits else None,
        limits.money if limits else None,
        prices.input if prices else None,
        prices.output if prices else None,
    )
