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


def run(
    row: Mapping[str, Any],
    code: str,
    *,
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Outcome:
    """Whether a program passes all of the row's tests.

    What the tests use of the program is what the reference defines at its top level: its
    functions and classes. What it imports, they import themselves.

    Args:
        row: A row of the data set.
        code: The program, already `cut` where a model wrote it.
        limits: See `run_python`.
        unsafe: See `run_python`.

    Raises:
        RequestError: This machine has no sandbox, and ``unsafe`` is not set.
    """
    tests = "\n".join([row.get("test_setup_code", ""), *row["test_list"]])
    top = ast.parse(row["code"]).body
    defined = {n.name for n in top if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    used = {n.id for n in ast.walk(ast.parse(tests)) if isinstance(n, ast.Name)}
    imports = [ast.unparse(n) for n in top if isinstance(n, ast.Import | ast.ImportFrom)]
    return run_python(
        code,
        tests,
        names=sorted(defined & used),
        setup="\n".join([*imports, *row.get("test_imports", [])]),
        limits=limits,
        unsafe=unsafe,
    )
