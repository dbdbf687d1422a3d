"""MBPP: short functions from one sentence and a test (Austin et al., 2021).

A row has ``text`` (``prompt`` in the sanitised set), ``test_list``, ``test_setup_code``
(``test_imports``) and the reference ``code``. The order is code, set-up, tests: some set-ups build
objects of classes that the code defines.
"""

import ast
from collections.abc import Mapping
from typing import Any

from limbeck.evaluation.sandbox import Limits, Outcome, run_python

STOPS = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")


def prompt(row: Mapping[str, Any]) -> str:
    """The sentence and the first test as a docstring, for a model to go on from."""
    return f'"""\n{row["text"] if "text" in row else row["prompt"]}\n{row["test_list"][0]}\n"""\n'


def cut(completion: str) -> str:
    """The completion up to the first stop word; one that begins with it is not empty for that."""
    ends = [at for stop in STOPS if (at := completion.find(stop, 1)) >= 0]
    return completion[: min(ends, default=len(completion))]


def names(row: Mapping[str, Any]) -> list[str]:
    """What the row's tests use of a program: functions and classes of the reference's top level."""
    top = ast.parse(row["code"]).body
    defined = {n.name for n in top if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    used = {n.id for n in ast.walk(ast.parse(_tests(row))) if isinstance(n, ast.Name)}
    return sorted(defined & used)


def run(
    row: Mapping[str, Any],
    code: str,
    *,
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Outcome:
    """Whether a program passes all of the row's tests.

    They get the program's `names`. What the reference imports, they import themselves.

    Args:
        row: A row of the data set.
        code: The program, already `cut` where a model wrote it.
        limits: See `run_python`.
        unsafe: See `run_python`.

    Raises:
        RequestError: This machine has no sandbox, and ``unsafe`` is not set.
    """
    top = ast.parse(row["code"]).body
    imports = [ast.unparse(n) for n in top if isinstance(n, ast.Import | ast.ImportFrom)]
    return run_python(
        code,
        _tests(row),
        names=names(row),
        setup="\n".join([*imports, *row.get("test_imports", [])]),
        limits=limits,
        unsafe=unsafe,
    )


def _tests(row: Mapping[str, Any]) -> str:
    return "\n".join([row.get("test_setup_code", ""), *row["test_list"]])
