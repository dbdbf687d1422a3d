"""Word problems and competition problems: a solution is written, and its answer read."""

import re
from collections.abc import Mapping
from typing import Any

from limbeck.errors import RequestError
from limbeck.evaluation.tasks.answers import (
    last_number,
    marked_or_boxed,
    number_within,
    same_text,
)
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.choosing import LETTERS, listed
from limbeck.evaluation.tasks.items import Question
from limbeck.evaluation.tasks.letters import letter_rule
from limbeck.evaluation.tasks.maths import last_box, same_answer
from limbeck.evaluation.tasks.sources import Hub, number, one_of, optional, text, value
from limbeck.evaluation.tasks.symbolic import same_or_equivalent

_CALCULATION = re.compile(r"<<[^<>]*>>")
_OPTION = re.compile(r"\A\s*[A-E]\s*[).:]\s*")
_ASKED = "Question: {question}\nAnswer:"
_STEPS = "{question}\n\nThink step by step, and write the final answer after"
_NEXT = ("Question:",)


def _gsm8k(row: Mapping[str, Any]) -> Question:
    solution, _, gold = text(row, "answer").rpartition("####")
    gold = number(gold.strip().replace(",", ""))
    shown = f"{_CALCULATION.sub('', solution).strip()}\n#### {gold}"
    return Question({"question": text(row, "question")}, gold, shown.strip())


def _math(row: Mapping[str, Any]) -> Question:
    solution = text(row, "solution")
    gold = optional(row, "answer") or last_box(solution)
    if gold is None:
        raise RequestError("the solution has no box, and there is no answer", where=solution[-80:])
    return Question(
        {"question": text(row, "problem", "question")},
        gold,
        solution,
        id=optional(row, "unique_id"),
    )


def _aqua(row: Mapping[str, Any]) -> Question:
    options = tuple(_OPTION.sub("", str(o)).strip() for o in value(row, "options"))
    gold = one_of(LETTERS[: len(options)], text(row, "correct"))
    rationale = optional(row, "rationale")
    fields = {"question": text(row, "question"), "options": listed(options)}
    answer = f"The answer is {gold}."
    return Question(fields, gold, f"{rationale}\n{answer}" if rationale else answer, options)


def _svamp(row: Mapping[str, Any]) -> Question:
    body = text(row, "Body")
    stop = "" if body.endswith((".", "?", "!", ",")) else "."
    gold = number(text(row, "Answer"))
    fields = {"question": f"{body}{stop} {text(row, 'Question')}"}
    return Question(fields, gold, gold, id=optional(row, "ID"))


def _equations(row: Mapping[str, Any]) -> Question:
    gold = number(text(row, "answer", "final_ans"))
    return Question({"question": text(row, "question")}, gold, gold, id=optional(row, "id"))


def _number_task(name: str, read: Any, hub: Hub | None) -> Task:
    return Task(
        name,
        read,
        prompt=_ASKED,
        chat=f"{_STEPS} ####.",
        # The bound is the one that these sets are usually scored by: some answers were rounded.
        rules=(Rule("last_number", last_number, number_within("1e-3")),),
        hub=hub,
        stop=_NEXT,
    )


ARITHMETIC = (
    Task(
        "gsm8k",
        _gsm8k,
        prompt=_ASKED,
        chat=f"{_STEPS} ####.",
        rules=(
            Rule("flexible", last_number, number_within("1e-6")),
            Rule("strict", marked_or_boxed, same_text),
        ),
        hub=Hub("openai/gsm8k", "main"),
        stop=_NEXT,
    ),
    Task(
        "math500",
        _math,
        prompt="Problem: {question}\nSolution:",
        chat="{question}\n\nThink step by step, and put the final answer in \\boxed{{}}.",
        rules=(
            Rule("normalised", last_box, same_answer),
            Rule("symbolic", last_box, same_or_equivalent),
        ),
        hub=Hub("HuggingFaceH4/MATH-500"),
        stop=("Problem:",),
        max_new_tokens=1024,
    ),
    Task(
        "aqua",
        _aqua,
        prompt="Question: {question}\n{options}\nAnswer:",
        chat="{question}\n{options}\n\nThink step by step, and end with: The answer is LETTER.",
        rules=(letter_rule(),),
        labels=tuple(LETTERS[:5]),
        hub=Hub("deepmind/aqua_rat", "raw"),
        stop=_NEXT,
    ),
    # All of SVAMP and MultiArith are test sets; the hub's copies divide them.
    _number_task("svamp", _svamp, Hub("ChilleD/SVAMP", split="train+test")),
    _number_task("multiarith", _equations, Hub("ChilleD/MultiArith", split="train+test")),
    _number_task("addsub", _equations, None),
    _number_task("singleeq", _equations, None),
)
