"""Options under letters."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from limbeck.data import EXTRACTORS
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.choosing import LETTERS, listed
from limbeck.evaluation.tasks.items import Question

_CUE = re.compile(r"\n\w+:\Z")  # what a text ends with for the answer to follow
ASK = "Answer with the letter of the right option only."


def letter_rule(name: str = "letter") -> Rule:
    """Reads the letter that a completion settles on; gold is a letter."""
    return Rule(name, EXTRACTORS["choice"], lambda found, gold: float(found == gold))


def as_letters(task: Task) -> Task:
    """A task of choices as one that asks for a letter.

    Raises:
        RequestError: The task has no choices.
    """
    if task.kind != "choices":
        raise RequestError(
            f"{task.name} has no choices to list", where=task.name, mend="use it as it is"
        )

    def read(row: Mapping[str, Any]) -> Question:
        question = task.read(row)
        letter = LETTERS[question.gold]
        # Where the letters themselves are scored, the prompt lists the options already.
        options = question.fields.get("options") or listed(question.choices)
        fields = {**question.fields, "options": options}
        return replace(question, fields=fields, gold=letter, answer=letter, pairs=(), example=None)

    body = _CUE.sub("", task.chat or task.prompt)
    if "{options}" not in body:
        body += "\n{options}"
    return replace(
        task,
        name=f"{task.name}_letters",
        read=read,
        prompt=f"{body}\nAnswer:",
        chat=f"{body}\n\n{ASK}",
        kind="generate",
        rules=(letter_rule(),),
        normalise="none",
        stop=("\n\n",),
        max_new_tokens=16,
    )
