"""A model on tasks, without any training: what ``limbeck eval`` does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.console import progress
from limbeck.data import Example, tokenise
from limbeck.engines import Sampling
from limbeck.engines.special_tokens import end_ids, pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import RequestError
from limbeck.evaluation.tasks import Item, Scored, Task, load_task
from limbeck.files import new_file, write_json
from limbeck.models import device, fingerprint, load_config, load_model, load_tokenizer
from limbeck.recipe import ModelSpec
from limbeck.run.text import digest
from limbeck.sources import answer_all

SCHEMA = "limbeck.eval/1"
FILE = "eval.json"


@dataclass(frozen=True)
class Asked:
    """One task as it is put to a model.

    Attributes:
        task: With its worked examples.
        items: What is asked.
        chat: Whether in conversations.
        source: Where the rows come from; None is the hub.
    """

    task: Task
    items: list[Item]
    chat: bool
    source: str | None


@dataclass(frozen=True)
class Wish:
    """How tasks are asked.

    Attributes:
        limit: At most so many items of each task, those with the smallest id hash.
        shots: Worked examples before each question.
        shots_from: Files to take them from, by task; else the hub's training rows.
        chat: Ask in conversations; None does where the tokenizer has a chat template. Choices are
            then letters that the model writes, and not likelihoods.
        max_new_tokens: Longest answer; None is the task's own.
        batch_size: Prompts at once.
        seed: Of the choice of worked examples.
    """

    limit: int | None = None
    shots: int = 0
    shots_from: Mapping[str, str] | None = None
    chat: bool | None = None
    max_new_tokens: int | None = None
    batch_size: int = 32
    seed: int = 0


def evaluate(model: ModelSpec, tasks: Sequence[str], output: Path, wish: Wish) -> dict[str, Any]:
    """Ask a model every item of some tasks, and score what it makes of them.

    Interrupted, it goes on where it was when it is called again.

    Args:
        model: The model.
        tasks: Each a name, the path of a ``.yaml`` file or ``FILE.py:NAME``; with ``=PATH`` behind
            it, on the rows of a local file instead of the hub's.
        output: Folder; ``eval.json`` has the figures, ``TASK.parquet`` a row for each item.
        wish: How they are asked.

    Returns:
        What ``eval.json`` holds.

    Raises:
        RequestError: The request is wrong; nothing has been written.
    """
    tokenizer = load_tokenizer(model, "model")
    if tokenizer is None:
        raise RequestError(
            "the model brings no tokenizer",
            where=str(model.model),
            mend="name a whole model folder",
        )
    chat = bool(tokenizer.chat_template) if wish.chat is None else wish.chat
    asked = [_asked(words, chat, wish) for words in tasks]
    names = [a.task.name for a in asked]
    if len(set(names)) < len(names):
        raise RequestError(
            "a task is asked for twice", where=", ".join(names), mend="name each task once"
        )
    context = getattr(
        load_config(model, "model", tokenizer).get_text_config(), "max_position_embeddings", None
    )
    prompts = {a.task.name: [_ids(item, a, tokenizer) for item in a.items] for a in asked}
    for a in asked:
        _check_room(a, prompts[a.task.name], context)
    weights = load_model(model, "model", tokenizer, 0, "auto").eval().to(device())
    engine = TransformersEngine(weights, pad_id(tokenizer), end_ids(tokenizer), len(tokenizer))
    identity = fingerprint(model)
    found: dict[str, Any] = {}
    for a in asked:
        outputs = (_choices if a.task.kind == "choices" else _answers)(
            a, prompts[a.task.name], engine, tokenizer, output, identity, wish, context
        )
        found[a.task.name] = _kept(a, outputs, output)
    results = {
        "schema": SCHEMA,
        "model": {"source": model.model, "fingerprint": identity},
        "wish": {**asdict(wish), "chat": chat},
        "tasks": found,
    }
    write_json(output / FILE, results)
    return results


def _asked(words: str, chat: bool, wish: Wish) -> Asked:
    name, _, source = words.partition("=")
    task = load_task(name)
    if wish.shots:
        rows = task.load((wish.shots_from or {}).get(task.name), "train")
        task = task.with_shots(rows, n=wish.shots, seed=wish.seed)
    if chat and task.kind == "choices":
        task = task.letters()
    items = task.items(task.load(source or None))
    if wish.limit is not None:
        chosen = sorted(items, key=lambda item: digest(item.id))[: wish.limit]
        kept = {item.id for item in chosen}
        items = [item for item in items if item.id in kept]
    return Asked(task, items, chat, source or None)


def _ids(item: Item, asked: Asked, tokenizer: Any, text: str | None = None) -> tuple[int, ...]:
    """The prompt, or a text in its place, as the model reads it."""
    prompt = item.messages if asked.chat else item.prompt
    done = tokenise(
        [Example(prompt if text is None else text)],
        tokenizer,
        kind="pairs",
        max_length=None,
        truncation="drop",
        eos=end_ids(tokenizer),
    )
    return done.sequences[0].prompt


def _check_room(asked: Asked, prompts: list[tuple[int, ...]], context: int | None) -> None:
    for item, ids in zip(asked.items, prompts, strict=True):
        if context is not None and len(ids) >= context:
            raise RequestError(
                f"an item of {asked.task.name} has {len(ids):,} tokens, and the model reads and "
                f"writes {context:,}",
                where=f"item {item.id}",
                mend="take fewer --shots, or a model with a longer context",
            )


def _answers(
    asked: Asked,
    prompts: list[tuple[int, ...]],
    engine: TransformersEngine,
    tokenizer: Any,
    output: Path,
    identity: str,
    wish: Wish,
    context: int | None,
) -> list[tuple[str, bool]]:
    """Greedy answers and whether they were cut, through a journal."""
    longest = wish.max_new_tokens or asked.task.max_new_tokens
    if context is not None:
        longest = min(longest, context - max(map(len, prompts)))
    sampling = Sampling(longest, temperature=0.0, batch_size=wish.batch_size)
    name = asked.task.name
    key = digest(identity, prompts, asdict(sampling))
    done = answer_all(
        output / f"{name}.jsonl", key, prompts, lambda: engine, sampling, 0, f"answers, {name}"
    )
    texts = (tokenizer.decode(a["tokens"], skip_special_tokens=True) for a in done)
    return [(text, not a["finished"]) for text, a in zip(texts, done, strict=True)]


def _choices(
    asked: Asked,
    prompts: list[tuple[int, ...]],
    engine: TransformersEngine,
    tokenizer: Any,
    output: Path,
    identity: str,
    wish: Wish,
    context: int | None,
) -> list[list[list[float]]]:
    """Log-probabilities of the tokens of each choice.

    A choice's tokens are those that the prompt with the choice has beyond the prompt's own.
    """
    del prompts, context
    path = output / f"{asked.task.name}.choices.json"
    key = digest(identity, [item.pairs for item in asked.items])
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return list(kept["log_probs"])
    found: list[list[list[float]]] = []
    with progress(f"choices, {asked.task.name}", len(asked.items), "items") as advance:
        for start in range(0, len(asked.items), wish.batch_size):
            batch = asked.items[start : start + wish.batch_size]
            pairs = [
                (before := _ids(item, asked, tokenizer, text), whole[len(before) :])
                for item in batch
                for text, choice in item.pairs
                for whole in [_ids(item, asked, tokenizer, text + choice)]
            ]
            scores = iter(engine.score(pairs))
            found += [[list(next(scores)) for _ in item.pairs] for item in batch]
            advance(len(batch))
    write_json(path, {"key": key, "log_probs": found})
    return found


def _kept(asked: Asked, outputs: Sequence[Any], output: Path) -> dict[str, Any]:
    """Score the items, write their table, and give the figures."""
    task, scored, texts = asked.task, [], []
    for item, out in zip(asked.items, outputs, strict=True):
        text, cut = out if task.kind == "generate" else (out, False)
        scored.append(task.score(item, text, truncated=cut))
        texts.append(text if task.kind == "generate" else json.dumps([sum(c) for c in text]))
    with new_file(output / f"{task.name}.parquet") as partial:
        pq.write_table(pa.table(_columns(asked, scored, texts)), partial)
    figures = {name: None if e is None else e.as_dict() for name, e in task.metrics(scored).items()}
    return {
        "n": len(scored),
        "main": task.main,
        "kind": task.kind,
        "shots": len(task.shots),
        "chat": asked.chat,
        "source": asked.source or (task.hub.source if task.hub else None),
        "metrics": figures,
    }


def _columns(asked: Asked, scored: list[Scored], texts: list[str]) -> dict[str, list[Any]]:
    return {
        "id": [s.id for s in scored],
        "document": [s.document for s in scored],
        "prompt": [
            "\n".join(m.content for m in i.messages) if asked.chat else i.prompt
            for i in asked.items
        ],
        "output": texts,
        "gold": [json.dumps(s.gold, ensure_ascii=False) for s in scored],
        "extracted": [json.dumps(s.extracted, ensure_ascii=False, default=str) for s in scored],
        "correct": [s.correct for s in scored],
        "invalid": [s.invalid for s in scored],
        "truncated": [s.truncated for s in scored],
    }
