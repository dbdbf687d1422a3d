"""HumanEval: functions to complete from signature and docstring (Chen et al., 2021).

A row has ``prompt`` (imports, helpers, the signature), ``entry_point``, ``test`` (which defines
``check``) and ``canonical_solution``. The program is prompt, completion, test and
``check(entry_point)`` in this order; the first two run in one interpreter, the tests in another.
"""

from collections.abc import Mapping

from limbeck.evaluation.sandbox import Limits, Outcome, run_python

# Where a base model begins something new at the left margin.
STOPS = (
    *("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```"),
    *("\ndef", "\n#", "\n@"),
)


def cut(completion: str) -> str:
    """The completion up to the first stop word."""
    ends = [at for stop in STOPS if (at := completion.find(stop)) >= 0]
    return completion[: min(ends, default=len(completion))]


def names(row: Mapping[str, str]) -> list[str]:
    """What the row's tests use of a program."""
    return [row["entry_point"]]


def run(
    row: Mapping[str, str],
    completion: str,
    *,
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Outcome:
    """Whether a completion of the row's prompt passes the row's tests.

    Four of the tests call what the prompt defines (``poly``, ``encode_cyclic``, ...): they get the
    prompt's own, not what a completion may have made of it.

    Args:
        row: A row of the data set.
        completion: What follows the prompt, already `cut` where a model wrote it: the function's
            body, or the whole function once more.
        limits: See `run_python`.
        unsafe: See `run_python`.

    Raises:
        RequestError: This machine has no sandbox, and ``unsafe`` is not set.
    """
    return run_python(
        row["prompt"] + completion,
        f"{row['test']}\ncheck({row['entry_point']})\n",
        names=names(row),
        setup=row["prompt"],  # complete by itself: a docstring is a body
        limits=limits,
        unsafe=unsafe,
    )
