"""Does a hypothesis speak of what the study varies? Asked before anything runs."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from limbeck.errors import RequestError
from limbeck.recipe.wording import nearest
from limbeck.studies.hypotheses.spec import (
    Claim,
    Correlation,
    Hypothesis,
    Improvement,
    MethodsDiffer,
    NonInferior,
    Order,
    Paired,
    Where,
)

MEASURED = (
    "student_parameters", "teacher_parameters", "score", "sft_score", "before_score",
    "teacher_score", "improvement", "recovered", "validation_score", "agreement",
    "excess_agreement", "agreement_gain", "fidelity_top1", "fidelity_kl",
    "fidelity_gain", "equation_jaccard", "unfaithful",
    "invalid_rate", "truncation_rate", "advantage", "deficit", "retention", "repair",
    "train_seconds", "tokens_generated", "peak_memory_bytes",
)  # fmt: skip
"""Columns of numbers that every study's table has."""
_OTHERS = (
    "run", "cell", "seed", "task", "n", "metric", "score_low", "score_high", "recipe_hash", "items",
    "status", "wall_seconds",  # the first of several runs pays for what they share
)  # fmt: skip


RESERVED = frozenset({*MEASURED, *_OTHERS})
"""Columns that every study's table has, and that no axis may be called."""


def check(
    hypotheses: Sequence[Hypothesis],
    axes: Mapping[str, Iterable[Any]],
    measured: Sequence[str] = MEASURED,
) -> None:
    """Refuse hypotheses about axes, labels, tasks or columns that the study will not have.

    Args:
        hypotheses: What the study claims.
        axes: Labels by axis. A key ``task`` names the tasks; without it, any name is taken.
        measured: Columns of numbers that the table will have, beside axes of numbers.

    Raises:
        RequestError: Names the hypothesis, what it speaks of, and what there is.
    """
    labels = {name: list(values) for name, values in axes.items()}
    tasks = [str(task) for task in labels.pop("task", ())]
    columns = [*measured, *(n for n, found in labels.items() if all(map(_is_number, found)))]
    for place, hypothesis in enumerate(hypotheses):
        where = f"hypotheses[{place}]: {hypothesis.claim}"
        for side in (hypothesis.where, *hypothesis.sides):
            _check_where(side, labels, where)
        named = [hypothesis.task] if isinstance(hypothesis.task, str) else hypothesis.task
        for task in named:
            if tasks and task != "all" and task not in tasks:
                raise RequestError(
                    f"the study has no task {task!r}",
                    where=f"{where}: task",
                    mend=nearest(task, ["all", *tasks]),
                )
        for key, column in _columns(hypothesis):
            if column not in columns:
                raise RequestError(
                    f"the study has no numbers called {column!r}",
                    where=f"{where}: {key}",
                    mend=nearest(column, columns),
                )
        if isinstance(hypothesis, MethodsDiffer):
            _check_methods(hypothesis, labels, where)


def axes_of(table: Iterable[str]) -> tuple[str, ...]:
    """The columns of a study's table that are axes: all but those that every table has."""
    return tuple(name for name in table if name not in MEASURED and name not in _OTHERS)


@lru_cache(maxsize=4096, typed=True)
def same(a: Any, b: Any) -> bool:
    """Whether two labels are the same: ``2``, ``2.0`` and ``"2"`` are."""
    if a is None or b is None:
        return a is b
    return str(a).lower() == str(b).lower() or (
        _is_number(a) and _is_number(b) and float(a) == float(b)
    )


def matches(row: Mapping[str, Any], where: Where) -> bool:
    """Whether a row has the labels that are asked for."""
    return all(
        any(same(row.get(axis), one) for one in (wanted if isinstance(wanted, list) else [wanted]))
        for axis, wanted in where.items()
    )


def _check_where(where: Where, axes: Mapping[str, list[Any]], place: str) -> None:
    for axis, wanted in where.items():
        if axis not in axes:
            raise RequestError(
                f"the study has no axis {axis!r}", where=place, mend=nearest(axis, axes)
            )
        for label in wanted if isinstance(wanted, list) else [wanted]:
            if not any(same(label, one) for one in axes[axis]):
                raise RequestError(
                    f"the axis {axis} has no value {label!r}",
                    where=place,
                    mend=nearest(str(label), map(str, axes[axis])),
                )


def _check_methods(hypothesis: MethodsDiffer, axes: Mapping[str, list[Any]], place: str) -> None:
    if "method" not in axes:
        raise RequestError("the study has no axis 'method'", where=place, mend=nearest("", axes))
    if hypothesis.among is None:
        if len(axes["method"]) < 2:
            raise RequestError(
                "the study has one method, which differs from no other",
                where=place,
                mend="give the axis method two values or more",
            )
        return
    _check_where({"method": list(hypothesis.among)}, axes, f"{place}: among")


def _columns(hypothesis: Claim) -> list[tuple[str, str]]:
    if isinstance(hypothesis, Correlation):
        pairs = [("of", hypothesis.of), ("with", hypothesis.with_)]
        return [*pairs, *(("given", column) for column in hypothesis.given)]
    if isinstance(hypothesis, Improvement | Paired | Order | MethodsDiffer):
        return [("on", hypothesis.on)]
    if isinstance(hypothesis, NonInferior):
        return [("to", hypothesis.OTHERS[hypothesis.to])]
    return []


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
