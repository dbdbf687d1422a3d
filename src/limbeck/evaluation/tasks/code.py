"""HumanEval and MBPP: programs that a model writes are run, and count where all tests pass.

A text is continued and cut at the stop words of the published protocols; in conversations the
whole function is asked for in a block of Python. `limbeck.evaluation.sandbox` runs the programs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.analysis import Estimate, mean_pass_at_k, pass_at_k
from limbeck.errors import RequestError
from limbeck.evaluation import humaneval, mbpp
from limbeck.evaluation.tasks.base import Task
from limbeck.evaluation.tasks.figures import share
from limbeck.evaluation.tasks.items import Item, Question, Scored
from limbeck.evaluation.tasks.programs import Attempt, Programs
from limbeck.evaluation.tasks.sources import Hub, optional, text, value

KS = (1, 2, 5, 10, 20, 50, 100)
"""The k of pass@k that are reported, up to the number of programs written to each problem."""

_ASK = "Answer with the whole function in one ```python block."


def scored(item: Item, attempts: Sequence[Attempt]) -> Scored:
    """An item by the first of its programs, as other models are compared with."""
    first = attempts[0]
    return Scored(
        id=item.id,
        document=item.document,
        gold=item.gold["reference"],
        extracted=None if first.empty else first.program,
        correct=first.passed,
        invalid=first.empty,
        truncated=first.truncated,
    )


def figures(attempts: Sequence[Sequence[Attempt]], seed: int = 0) -> dict[str, Estimate | None]:
    """Figures of a whole evaluation, each with its 95 % interval and n.

    Args:
        attempts: The programs written to each problem, as many to one as to another.
        seed: Of the resampling.

    Returns:
        ``accuracy`` of the first programs; ``invalid_rate`` (no program) and ``truncation_rate`` of
        all of them, resampled by problem; ``pass@k`` for `KS`, unbiased.

    Raises:
        ValueError: Nothing was tried, or problems differ in their number of programs.
    """
    tries = {len(several) for several in attempts}
    if len(tries) != 1 or 0 in tries:
        raise ValueError(f"every problem has the same number of programs, got {sorted(tries)}")
    (n,) = tries
    problems = [str(number) for number, several in enumerate(attempts) for _ in several]
    every = [attempt for several in attempts for attempt in several]
    right = [sum(a.passed for a in several) for several in attempts]
    found: dict[str, Estimate | None] = {
        "accuracy": share([several[0].passed for several in attempts], problems[::n], seed),
        "invalid_rate": share([a.empty for a in every], problems, seed),
        "truncation_rate": share([a.truncated for a in every], problems, seed),
    }
    for k in (k for k in KS if k <= n):
        chances = [pass_at_k(n, c, k) for c in right]
        # As of any share: where all are 0 or 1, an interval that needs no bootstrap.
        found[f"pass@{k}"] = (
            share(chances, problems[::n], seed)
            if set(chances) <= {0.0, 1.0}
            else mean_pass_at_k([n] * len(right), right, k, seed)
        )
    return found


def _humaneval(row: Mapping[str, Any]) -> Question:
    name, prompt = text(row, "task_id"), str(value(row, "prompt"))
    needed = {key: str(value(row, key)) for key in ("prompt", "entry_point", "test")}
    reference = optional(row, "canonical_solution") or ""
    return Question(
        {"prompt": prompt, "question": prompt.rstrip()},
        {**needed, "reference": reference},
        _fenced(prompt + reference),
        example=prompt + reference,
        id=name,
    )


def _mbpp(row: Mapping[str, Any]) -> Question:
    name, question = text(row, "task_id"), str(value(row, "text", "prompt"))
    reference = str(value(row, "code"))
    tests = [str(test) for test in _listed(row, "test_list")]
    prompt = mbpp.prompt({"text": question, "test_list": tests})
    needed = {
        "code": reference,
        "test_list": tests,
        "test_setup_code": optional(row, "test_setup_code") or "",
        "test_imports": [str(line) for line in row.get("test_imports") or ()],
    }
    return Question(
        {"prompt": prompt, "question": question.strip(), "test": tests[0]},
        {**needed, "reference": reference},
        _fenced(reference),
        example=prompt + reference,
        id=name,
    )


def _listed(row: Mapping[str, Any], name: str) -> list[Any]:
    found = value(row, name)
    if isinstance(found, str) or not len(found):
        raise RequestError(
            f"{name} is no list of tests",
            where=f"problem {row.get('task_id')}",
            mend="take the rows as they are published, from a .jsonl, .json or .parquet file",
        )
    return list(found)


def _fenced(program: str) -> str:
    return f"```python\n{program.strip()}\n```"


def _mbpp_task(name: str, config: str) -> Task:
    return Task(
        name,
        _mbpp,
        kind="code",
        prompt="{prompt}",
        chat="{question}\n\nThis test has to pass:\n\n```python\n{test}\n```\n\n" + _ASK,
        programs=Programs(mbpp.cut, mbpp.names, mbpp.run),
        hub=Hub("google-research-datasets/mbpp", config),
    )


CODE = (
    Task(
        "humaneval",
        _humaneval,
        kind="code",
        prompt="{prompt}",
        chat="Complete this function:\n\n```python\n{question}\n```\n\n" + _ASK,
        programs=Programs(humaneval.cut, humaneval.names, humaneval.run),
        hub=Hub("openai/openai_humaneval"),
    ),
    _mbpp_task("mbpp", "full"),
    _mbpp_task("mbpp_sanitized", "sanitized"),
)
