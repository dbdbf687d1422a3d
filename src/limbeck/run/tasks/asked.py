"""Tasks before any model: what is asked, and the form of what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.errors import RequestError
from limbeck.evaluation.harness import PREFIX
from limbeck.evaluation.sandbox import isolation
from limbeck.evaluation.tasks import Item, Task, load_task
from limbeck.files import digest


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
        samples: Programs written to each problem of a code task.
        temperature: At which they are drawn; None is greedy for one program, and 0.8 for several.
        unsafe: Run programs without a sandbox where this machine has none.
    """

    limit: int | None = None
    shots: int = 0
    shots_from: Mapping[str, str] | None = None
    chat: bool | None = None
    max_new_tokens: int | None = None
    batch_size: int = 32
    seed: int = 0
    samples: int = 1
    temperature: float | None = None
    unsafe: bool = False

    def __post_init__(self) -> None:
        if self.samples < 1 or (self.temperature or 0.0) < 0:
            raise RequestError(
                "programs are at least one, drawn at a temperature of at least 0",
                where=f"--samples {self.samples} --temperature {self.temperature}",
                mend="--samples 10 --temperature 0.8, say",
            )
        if self.samples > 1 and self.temperature == 0:
            raise RequestError(
                f"greedy decoding writes the same program {self.samples} times",
                where=f"--samples {self.samples} --temperature 0",
                mend="ask for one, or draw them: --temperature 0.8",
            )


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
        about: The task: ``n, main, kind, shots, chat, source``; of a group also its ``tasks``,
            of code the ``isolation`` that its programs ran in.
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
        RequestError: There is no such task, it has no rows, one comes twice, or it runs programs
            and this machine has no sandbox.
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


def _asked(words: str, chat: bool, wish: Wish) -> Asked:
    name, _, source = words.partition("=")
    task = load_task(name)
    if task.kind == "code":
        isolation(unsafe=wish.unsafe)  # or all would be asked in vain
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
