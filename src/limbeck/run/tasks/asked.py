"""Tasks before any model: what is asked, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.errors import RequestError
from limbeck.evaluation.harness import PREFIX
from limbeck.evaluation.tasks import Item, Scored, Task, load_task
from limbeck.files import digest, new_file


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

    def about(self) -> dict[str, Any]:
        """What ``eval.json`` says of it besides figures."""
        hub = self.task.hub.source if self.task.hub else None
        return {
            "n": len(self.items),
            "main": self.task.main,
            "kind": self.task.kind,
            "shots": len(self.task.shots),
            "chat": self.chat,
            "source": self.source or hub,
        }


@dataclass(frozen=True)
class Outcome:
    """What a model made of a task.

    Attributes:
        about: The task: ``n, main, kind, shots, chat, source``; of a group also its ``tasks``.
        metrics: Figures by name, as `limbeck.analysis.Estimate.as_dict` gives them, or None.
        rows: Column name to values, a row an item; empty for a group of tasks.
    """

    about: dict[str, Any]
    metrics: dict[str, Any]
    rows: dict[str, Any]


def asked_of(words: Sequence[str], chat: bool, wish: Wish) -> list[Asked]:
    """Our own tasks among these, with their rows.

    Args:
        words: Each a name, the path of a ``.yaml`` file or ``FILE.py:NAME``; with ``=PATH`` behind
            it, on the rows of a local file instead of the hub's. ``harness:`` ones are passed over.
        chat: Ask in conversations.
        wish: How they are asked.

    Raises:
        RequestError: There is no such task, it has no rows, or one comes twice.
    """
    found = [_asked(word, chat, wish) for word in words if not word.startswith(PREFIX)]
    names = [a.task.name for a in found]
    if len(set(names)) < len(names):
        raise RequestError(
            "a task is asked for twice", where=", ".join(names), mend="name each task once"
        )
    return found


def harness_of(words: Sequence[str]) -> list[str]:
    """Those that lm-evaluation-harness defines."""
    return [word for word in words if word.startswith(PREFIX)]


def kept(asked: Asked, outputs: Sequence[Any], folder: Path) -> Outcome:
    """Score outputs, write their table, and give the figures.

    Args:
        asked: The task.
        outputs: Of choices, the log-probabilities of the tokens of each; else texts, each with
            whether it was cut.
        folder: Of the table.
    """
    task, scored, texts = asked.task, [], []
    for item, out in zip(asked.items, outputs, strict=True):
        text, cut = (out, False) if task.kind == "choices" else out
        scored.append(task.score(item, text, truncated=cut))
        texts.append(json.dumps([sum(c) for c in text]) if task.kind == "choices" else text)
    rows = _columns(asked, scored, texts)
    write_table(folder / f"{task.name}.parquet", rows)
    figures = {name: None if e is None else e.as_dict() for name, e in task.metrics(scored).items()}
    return Outcome(asked.about(), figures, rows)


def write_table(path: Path, rows: dict[str, Any]) -> None:
    """A row for each item; what is correct may be unknown of all of them."""
    columns = {
        name: pa.array(values, pa.bool_()) if name == "correct" else values
        for name, values in rows.items()
    }
    with new_file(path) as partial:
        pq.write_table(pa.table(columns), partial)


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
        wanted = {item.id for item in chosen}
        items = [item for item in items if item.id in wanted]
    return Asked(task, items, chat, source or None)


def _columns(asked: Asked, scored: list[Scored], texts: list[str]) -> dict[str, Any]:
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
