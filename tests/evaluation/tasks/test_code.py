"""Code tasks: what is asked, which program is read out of an answer, and pass@k."""

import itertools
from dataclasses import replace

import pytest

from evaluation.tasks.rows import FILES, rows_and_items
from limbeck.errors import RequestError
from limbeck.evaluation import humaneval, mbpp
from limbeck.evaluation.tasks import TASKS, Task
from limbeck.evaluation.tasks.code import CODE, KS, figures, scored
from limbeck.evaluation.tasks.programs import Attempt, blocks

ADD = {
    "task_id": "HumanEval/900",
    "prompt": 'import math\n\n\ndef add(a, b):\n    """Their sum."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
DOUBLE = {
    "task_id": 11,
    "text": "Write a function to double a number.",
    "code": "def double(x):\r\n    return 2 * x",
    "test_list": ["assert double(2) == 4", "assert double(0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
SANITISED = {
    "source_file": "s.ipynb",
    "task_id": 12,
    "prompt": "Write a function to double a number.",
    "code": DOUBLE["code"],
    "test_imports": ["import math"],
    "test_list": DOUBLE["test_list"],
}
ROWS = {"humaneval": ADD, "mbpp": DOUBLE, "mbpp_sanitized": SANITISED}
WHOLE = "def add(a, b):\n    return a + b"


def attempt(passed=True, **changes):
    status = "passed" if passed else "failed"
    return replace(Attempt("text", "x = 1", False, status, "", 0.1), **changes)


def read(name, text, chat):
    task = TASKS[name]
    (item,) = task.items([ROWS[name]])
    return task.programs.read(item.gold, text, chat=chat)


@pytest.mark.parametrize(
    ("name", "n"), [("humaneval", 164), ("mbpp", 500), ("mbpp_sanitized", 427)]
)
def test_published_rows(name, n):
    """Names that change between evaluations could not be compared item by item."""
    task, rows, items = rows_and_items(name)
    assert [i.id for i in items] == [str(row["task_id"]) for row in rows] and len(items) == n
    assert all(i.document == i.id for i in items)
    module = humaneval if name == "humaneval" else mbpp
    for row, item in zip(rows, items, strict=True):
        asked = row["prompt"] if module is humaneval else mbpp.prompt(row)
        assert item.prompt == asked
        names = task.programs.names(item.gold)
        assert names and names == module.names(row)
        said = task.read(row).answer
        found, ended = task.programs.read(item.gold, f"Sure:\n\n{said}\n", chat=True)
        assert ended and found and found in said
        assert row.get("canonical_solution", row.get("code", "")).strip() not in item.prompt


@pytest.mark.parametrize("task", CODE, ids=lambda task: task.name)
def test_prompts(task):
    (item,) = task.items([ROWS[task.name]])
    user = item.messages[-1].content
    if task.name == "humaneval":
        assert item.prompt == ADD["prompt"] and ADD["prompt"].rstrip() in user
    else:
        said = "Write a function to double a number."
        assert item.prompt == f'"""\n{said}\nassert double(2) == 4\n"""\n'
        assert said in user and "assert double(2) == 4" in user
    for text in (item.prompt, user):
        assert "double(0)" not in text and "2 * x" not in text and "candidate" not in text
    assert "```python block" in user and task.main == "pass@1"


def test_worked_examples():
    other = {
        **ADD,
        "task_id": "HumanEval/901",
        "prompt": "def one():\n",
        "canonical_solution": "    return 1\n",
    }
    task = TASKS["humaneval"].with_shots([other], n=1)
    (item,) = task.items([ADD])
    assert item.prompt == "def one():\n    return 1\n\n\n" + ADD["prompt"]
    assert item.messages[1].content == "```python\ndef one():\n    return 1\n```"


@pytest.mark.parametrize(
    ("answer", "program", "ended"),
    [
        (f"Here:\n```python\n{WHOLE}\n```\nDone.", WHOLE, True),
        # Drafts come before, examples of use behind.
        (f"```python\ndef add(a, b): ...\n```\n```python\n{WHOLE}\n```\n```python\nadd(1, 2)\n```", WHOLE, True),
        (f"```text\nadd\n```\n```Python\n{WHOLE}\n```\n```\n3\n```", WHOLE, True),
        (f"~~~py\n{WHOLE}\n~~~", WHOLE, True),
        ("1. So\n   ```python\n   def add(a, b):\n       return a + b\n   ```", WHOLE, True),
        ("```python\n    return a + b\n```", "    return a + b", True),
        (f"```\n{WHOLE}\n```", WHOLE, True),
        (f"```python\r\n{WHOLE}\r\n```\r\n", WHOLE + "\r", True),
        (f"```python\n{WHOLE}", WHOLE, False),
        (WHOLE, WHOLE, False),
        ("", "", False),
    ],
)  # fmt: skip
def test_the_program_in_an_answer(answer, program, ended):
    assert read("humaneval", answer, chat=True) == (program, ended)


def test_a_block_is_chosen_by_what_the_tests_use():
    answer = "```python\ndouble = lambda x: 2 * x\n```\nor\n```python\ndouble_it = None\n```"
    assert read("mbpp", answer, chat=True) == ("double = lambda x: 2 * x", True)
    assert blocks("```sh\nls\n```\n```py\na\n```\n````\nb\n````") == [("a", True)]
    assert blocks("````\n```\na\n```\n````") == [("```\na\n```", True)]


def test_a_text_is_cut_where_something_new_begins():
    assert read("humaneval", "    return a\n\ndef g(): ...", chat=False) == ("    return a\n", True)
    assert read("humaneval", "    return a", chat=False) == ("    return a", False)
    assert read("mbpp", "def f(): ...\n\ndef g(): ...\nprint(1)", chat=False) == (
        "def f(): ...\n\ndef g(): ...",
        True,
    )


@pytest.mark.parametrize(
    ("rights", "n"), [([0, 1, 3, 4], 4), ([2, 0, 0], 2), ([0, 0], 5), ([5, 5], 5), ([3, 2], 3)]
)
def test_pass_at_k_against_every_choice_of_k(rights, n):
    """The shortcut 1 - (1 - c/n)^k is biased, and would make every model look better or worse."""
    attempts = [[attempt(i < c) for i in range(n)] for c in rights]
    found = figures(attempts)
    assert [k for k in KS if f"pass@{k}" in found] == [k for k in KS if k <= n]
    for k in (k for k in KS if k <= n):
        shares = []
        for several in attempts:
            draws = list(itertools.combinations(several, k))
            shares.append(sum(any(a.passed for a in draw) for draw in draws) / len(draws))
        figure = found[f"pass@{k}"]
        assert figure.value == pytest.approx(sum(shares) / len(shares), abs=1e-12)
        assert figure.n == len(rights) and figure.low <= figure.value <= figure.high
    assert found["accuracy"].value == sum(c > 0 for c in rights) / len(rights)


def test_rates_are_of_all_programs():
    attempts = [
        [attempt(), attempt(False, program=" \n"), attempt(False, truncated=True)],
        [attempt(False, truncated=True), attempt(False, truncated=True), attempt()],
    ]
    found = figures(attempts)
    assert found["invalid_rate"].value == pytest.approx(1 / 6)
    assert found["truncation_rate"].value == pytest.approx(3 / 6)
    assert found["truncation_rate"].n == 6 and found["accuracy"].value == 0.5
    assert found["pass@1"].value == pytest.approx(1 / 3) and found["pass@2"].n == 2


def test_one_program_to_each_problem():
    found = figures([[attempt(i < 3)] for i in range(4)])
    assert found["pass@1"] == found["accuracy"] and found["pass@1"].value == 0.75
    assert "pass@2" not in found


@pytest.mark.parametrize("attempts", [[], [[]], [[attempt()], [attempt(), attempt()]]])
def test_problems_with_unequal_numbers_of_programs(attempts):
    with pytest.raises(ValueError, match="same number"):
        figures(attempts)


def test_an_item_is_known_by_its_first_program():
    (item,) = TASKS["mbpp"].items([DOUBLE])
    right = scored(item, [attempt(), attempt(False)])
    assert right.correct and not right.invalid and right.extracted == "x = 1"
    assert right.gold == DOUBLE["code"] and right.id == right.document == "11"
    wrong = scored(item, [attempt(False, program="", truncated=True), attempt()])
    assert not wrong.correct and wrong.invalid and wrong.truncated and wrong.extracted is None


def test_requests_that_cannot_be_met():
    task = TASKS["mbpp"]
    with pytest.raises(RequestError, match="no list of tests"):
        task.items([{**DOUBLE, "test_list": "assert double(2) == 4"}])
    with pytest.raises(RequestError, match="entry_point"):
        TASKS["humaneval"].items([{k: v for k, v in ADD.items() if k != "entry_point"}])
    (item,) = task.items([DOUBLE])
    for wrong in (lambda: task.score(item, "x"), lambda: task.metrics([])):
        with pytest.raises(ValueError, match="runs programs"):
            wrong()
    with pytest.raises(ValueError, match="how programs run"):
        Task("t", task.read, "{question}", kind="code")
    with pytest.raises(ValueError, match="how programs run"):
        Task("t", task.read, "{question}", kind="open", programs=task.programs)
    assert {t.name for t in CODE} <= set(FILES)
