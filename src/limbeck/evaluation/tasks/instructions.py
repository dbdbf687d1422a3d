"""Open instructions: many answers are good ones, and a judge says which of two is better.

The rows of AlpacaEval and Evol-Instruct come from a file: the hub has the first behind a loading
script, which is no longer run, and the second ships with its authors' code. Of UltraFeedback's
held-out prompts, 500 are asked: those whose hash of the prompt with seed 0 is smallest. The choice
is ours, as there is no official one; another list of prompts to choose from gives another 500.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from limbeck.evaluation.tasks.base import Task
from limbeck.evaluation.tasks.items import Question
from limbeck.evaluation.tasks.sources import Hub, optional, text

_PROMPTS = ("instruction", "prompt", "Instruction")
_PUBLISHED = ("output", "generated_text")


def _open(row: Mapping[str, Any]) -> Question:
    fields = {"question": text(row, *_PROMPTS)}
    return Question(fields, None, optional(row, *_PUBLISHED) or "")


def _task(name: str, hub: Hub | None = None, most: int | None = None) -> Task:
    return Task(
        name,
        _open,
        kind="open",
        prompt="Instruction: {question}\nResponse:",
        chat="{question}",
        hub=hub,
        max_new_tokens=1024,
        most=most,
    )


def published(task: Task, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The answers that come with the rows, to compare a model's with.

    Args:
        task: An open one.
        rows: Of its data; rows without an answer are left out.

    Returns:
        By the ids that `Task.items` gives.
    """
    kept = list(rows)
    items = replace(task, most=None).items(kept)
    answers = {i.id: task.read(row).answer for i, row in zip(items, kept, strict=True)}
    return {name: answer for name, answer in answers.items() if answer}


INSTRUCTIONS = (
    _task("alpaca_eval"),
    _task("evol_instruct"),
    _task("ultrafeedback", Hub("HuggingFaceH4/ultrafeedback_binarized", split="test_prefs"), 500),
)
