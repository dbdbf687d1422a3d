"""From rows of the table to observations: whose numbers are compared with whose."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limbeck.studies.hypotheses.checking import matches
from limbeck.studies.hypotheses.finding import Untestable, joined
from limbeck.studies.hypotheses.spec import Where

SCORES = ("score", "sft_score", "before_score", "teacher_score", "validation_score")
_BITS = "bits_per_byte"

Row = Mapping[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Observation:
    """One seed of one cell on one task.

    Attributes:
        cell: Labels of the axes.
        student: The student; None where there is no such axis, or the sides have different ones.
        task: The task.
        seed: The seed.
        values: One number for each side or column.
    """

    cell: Key
    student: Any
    task: Any
    seed: Any
    values: tuple[float, ...]


def rows_of(table: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of runs that are done."""
    names = list(table)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return [row for row in rows if row.get("status", "done") == "done"]


def chosen(rows: Sequence[Row], where: Where, task: str | Sequence[str]) -> list[Row]:
    """The rows with these labels, of these tasks."""
    tasks = None if task == "all" else {task} if isinstance(task, str) else set(task)
    found = [r for r in rows if matches(r, where) and (tasks is None or r.get("task") in tasks)]
    if not found:
        raise Untestable("no run has these labels and tasks")
    return found


def comparable(rows: Sequence[Row]) -> list[Row]:
    """Rows whose scores have a common mean: shares of items; bits of text only where that is all."""
    shares = [row for row in rows if row.get("metric") != _BITS]
    return shares or list(rows)


def student_of(row: Row, axes: Sequence[str]) -> Key | None:
    """What tells a row's student from others: ``student`` and its own settings, where axes."""
    return tuple(row.get(axis) for axis in axes if is_student(axis)) or None


def is_student(axis: str) -> bool:
    """Whether an axis makes another student."""
    return axis.partition(".")[0] == "student"


def is_teacher(axis: str) -> bool:
    """Whether an axis makes another teacher; noise makes another signal of the same one."""
    return axis.partition(".")[0] == "teacher" and axis != "teacher.noise"


def number(row: Row, column: str) -> float | None:
    """A column's number in a row; None where it is missing.

    A score in bits is turned round, so that more is better in every column that is a score.
    """
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise Untestable(f"{column} holds {value!r}, which is no number") from None
    if column in SCORES and row.get("metric") == _BITS:
        found = -found
    return found if np.isfinite(found) else None


def observed(
    rows: Sequence[Row], axes: Sequence[str], numbers: Callable[[Row], tuple[float | None, ...]]
) -> list[Observation]:
    """One observation for each row all of whose numbers are there."""
    found = []
    for row in rows:
        values = numbers(row)
        if None not in values:
            cell = tuple(row.get(axis) for axis in axes)
            where = (student_of(row, axes), row.get("task"), row.get("seed"))
            found.append(Observation(cell, *where, tuple(v for v in values if v is not None)))
    return found


def paired(
    rows: Sequence[Row], axes: Sequence[str], sides: Sequence[Where], column: str
) -> tuple[list[Observation], str | None]:
    """Observations in which every side has a number, and what a reader has to know of the pairs.

    Sides are paired over task, seed and every axis that they do not name. A method's own options
    (``method.temperature``) that the sides have no common value of cannot be paired; they are
    averaged.
    """
    groups = [[row for row in rows if matches(row, side)] for side in sides]
    for side, group in zip(sides, groups, strict=True):
        if not group:
            raise Untestable(f"no run has {worded(side)}")
    named = {axis for side in sides for axis in side}
    over, averaged = [], []
    for axis in axes:
        if axis in named:
            continue
        labels = [{row.get(axis) for row in group} for group in groups]
        if axis.startswith("method.") and "method" in named and not set.intersection(*labels):
            averaged += [axis] if max(map(len, labels)) > 1 else []
        else:
            over.append(axis)
    tables = [_means(group, over, column) for group in groups]
    common = [key for key in tables[0] if all(key in table for table in tables[1:])]
    if not common:
        raise Untestable(f"no run of {worded(sides[0])} has a partner with {column}")
    lost = sum(len(table) - len(common) for table in tables)
    note = joined(
        f"{lost} without a partner left out" if lost else None,
        f"averaged over {', '.join(averaged)}" if averaged else None,
    )
    places = [over.index(axis) for axis in axes if is_student(axis) and axis in over]
    mixed = not places or any(is_student(axis) for axis in named)
    found = [
        Observation(
            key[:-2],
            None if mixed else tuple(key[place] for place in places),
            key[-2],
            key[-1],
            tuple(table[key] for table in tables),
        )
        for key in common
    ]
    return found, note


def _means(rows: Sequence[Row], axes: Sequence[str], column: str) -> dict[Key, float]:
    found: dict[Key, list[float]] = {}
    for row in rows:
        value = number(row, column)
        if value is not None:
            key = (*(row.get(axis) for axis in axes), row.get("task"), row.get("seed"))
            found.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in found.items()}


def worded(where: Where) -> str:
    """Labels as a reader says them: ``method kd, student small``."""
    return ", ".join(f"{axis} {label}" for axis, label in where.items())
