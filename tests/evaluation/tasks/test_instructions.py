"""Open instructions: the published prompts, and what can be said of an answer without a judge."""

import pytest

from evaluation.tasks.rows import rows_and_items
from limbeck.errors import RequestError
from limbeck.evaluation.tasks import TASKS, Task
from limbeck.evaluation.tasks.instructions import published

NAMES = ("alpaca_eval", "evol_instruct", "ultrafeedback")
ROWS = [{"instruction": f"Write {i}.", "output": f"Done {i}."} for i in range(30)]


@pytest.mark.parametrize(("name", "n"), zip(NAMES, (805, 218, 500), strict=True))
def test_published_prompts(name, n):
    task, rows, items = rows_and_items(name)
    assert len(items) == n == len({item.id for item in items})
    answers = published(task, rows)
    assert len(answers) >= n and all(answers[item.id] for item in items)
    asked = {(row.get("instruction") or row["prompt"]).strip() for row in rows}
    assert {item.messages[-1].content for item in items} <= asked
    assert all(item.gold is None and item.prompt.endswith("\nResponse:") for item in items)


def test_the_choice_depends_on_the_prompts_alone():
    task, rows, items = rows_and_items("ultrafeedback")
    bare = [{"prompt": row["prompt"], "prompt_id": str(i)} for i, row in enumerate(rows)]
    again = task.items(reversed(bare))
    assert {item.id for item in again} == {item.id for item in items}
    # Rows that are not chosen make no difference.
    kept = {item.messages[-1].content for item in items}
    fewer = [row for i, row in enumerate(rows) if row["prompt"].strip() in kept or i % 2]
    assert [item.id for item in task.items(fewer)] == [item.id for item in items]


def test_what_is_known_without_a_judge():
    task = TASKS["alpaca_eval"]
    items = task.items(ROWS[:4])
    outputs = [("Yes.", False), ("", False), (" \n", True), ("A long answer", True)]
    scored = [task.score(i, o, truncated=t) for i, (o, t) in zip(items, outputs, strict=True)]
    assert [s.correct for s in scored] == [None] * 4
    found = task.metrics(scored)
    assert set(found) == {"empty_rate", "truncation_rate", "context_cut_rate", task.main}
    assert found["empty_rate"].value == found["truncation_rate"].value == 0.5
    assert found["mean_length"].value == (4 + 0 + 2 + 13) / 4 and found["mean_length"].n == 4


def test_worked_examples_show_published_answers():
    task = TASKS["evol_instruct"].with_shots(ROWS[:10], n=2)
    (item,) = task.items(ROWS[20:21])
    assert item.prompt.count("Response: Done") == 2 and len(item.messages) == 5


def test_one_prompt_twice_is_two_items():
    rows = [ROWS[0], ROWS[0], *ROWS]
    assert len({item.id for item in TASKS["alpaca_eval"].items(rows)}) == 32


def test_rows_without_a_prompt_and_rules_without_gold():
    with pytest.raises(RequestError, match="no instruction or prompt"):
        TASKS["alpaca_eval"].items([{"text": "?"}])
    rules = TASKS["gsm8k"].rules
    with pytest.raises(ValueError, match="read by rules"):
        Task("t", TASKS["alpaca_eval"].read, "{question}", kind="open", rules=rules)
    with pytest.raises(ValueError, match="scores a text"):
        TASKS["alpaca_eval"].score(TASKS["alpaca_eval"].items(ROWS)[0], [[0.0]])
    with pytest.raises(RequestError, match="no choices"):
        TASKS["alpaca_eval"].letters()
