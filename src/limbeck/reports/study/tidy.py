"""The table of a study as the figures read it: rows, axes, and means over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np

from limbeck.analysis import clustered_mean, one_sample_t

from .scale import Scale, is_share, scale_of

Row = Mapping[str, Any]
Study = Mapping[str, Any]
Spread = tuple[float, float | None, float | None]

FIXED = ("student", "teacher", "method")  # axes that every figure knows
_NO_AXES = ("task", "tasks", "seed", "seeds")  # every run has all tasks; seeds are averaged first
_STUDENTS = 6  # fewer say too little of other students


@dataclass(frozen=True)
class Tidy:
    """Rows of a study, one for each run, task and seed.

    Attributes:
        rows: The rows that are done, shares before others where there are both; a value that is
            missing is None.
        labels: The axes that are columns, with their labels in the study's order.
        kept: Rows that figures other than ablations are drawn from: where settings were chosen on
            validation rows, those with the chosen values.
        chosen: The axes of such settings; of kept rows they are no part of the cell.
    """

    rows: tuple[Row, ...]
    labels: Mapping[str, tuple[Any, ...]]
    kept: tuple[Row, ...]
    chosen: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes that make a cell."""
        return tuple(axis for axis in self.labels if axis not in self.chosen)

    @property
    def methods(self) -> tuple[Any, ...]:
        """Names of the methods in the study's order."""
        return self.labels.get("method", ())

    @cached_property
    def units(self) -> list[Row]:
        """A row for each cell and task: means over seeds, of the kept rows."""
        return averaged(self.kept, (*self.axes, "task"))

    @cached_property
    def cells(self) -> list[Row]:
        """A row for each cell: means over its tasks."""
        return averaged(self.units, self.axes)

    @cached_property
    def scale(self) -> Scale:
        """What the scores are measured in."""
        return scale_of(row.get("metric") for row in self.rows)

    def whole(self) -> "Tidy":
        """The same study before any choice of hyper-parameters."""
        return replace(self, kept=self.rows, chosen=())


def read(study: Study, table: Mapping[str, Sequence[Any]]) -> Tidy:
    """Make rows of the columns, and leave out what is not done.

    Args:
        study: The study's description; ``axes`` names the axes, ``selected["runs"]`` the runs that
            a choice on validation data left.
        table: The columns, all of one length.
    """
    columns = {name: [_plain(value) for value in values] for name, values in table.items()}
    length = len(next(iter(columns.values()), ()))
    every = ({name: values[i] for name, values in columns.items()} for i in range(length))
    done = [row for row in every if row.get("status", "done") == "done"]
    # Bits of text and shares of items have no common mean.
    shares = [row for row in done if is_share(row.get("metric"))]
    rows = tuple(shares or done)
    labels = {}
    for axis in dict.fromkeys((*FIXED, *(study.get("axes") or {}))):
        there = dict.fromkeys(row[axis] for row in rows if row.get(axis) is not None)
        if axis in _NO_AXES or not there:
            continue
        declared = (study.get("axes") or {}).get(axis, ())
        order = {_key(label): place for place, label in enumerate(declared)}
        ordered = sorted(there, key=lambda label: order.get(_key(label), len(order)))
        labels[axis] = tuple(ordered)
    selected = study.get("selected") or {}
    runs = set(selected.get("runs") or ())
    if not runs:
        return Tidy(rows, labels, rows)
    kept = tuple(row for row in rows if row.get("run") in runs)
    return Tidy(rows, labels, kept, chosen_axes(study))


def chosen_axes(study: Study) -> tuple[str, ...]:
    """The axes whose values were chosen on validation rows."""
    axis = (study.get("selected") or {}).get("axis") or ()
    return (axis,) if isinstance(axis, str) else tuple(axis)


def averaged(rows: Iterable[Row], by: Sequence[str]) -> list[Row]:
    """Means of all columns of numbers within groups; a group keeps the labels that it is made by."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in by), []).append(row)
    found: list[Row] = []
    for labels, members in groups.items():
        means = {
            column: float(np.mean(values))
            for column in dict.fromkeys(name for member in members for name in member)
            if column not in by and (values := numbers(members, column))
        }
        found.append(means | dict(zip(by, labels, strict=True)))
    return found


def numbers(rows: Iterable[Row], column: str) -> list[float]:
    """The known numbers of a column."""
    return [float(v) for row in rows if is_number(v := row.get(column))]


def having(rows: Iterable[Row], *columns: str) -> list[Row]:
    """The rows in which all these columns hold a number."""
    return [row for row in rows if all(is_number(row.get(column)) for column in columns)]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def where(rows: Iterable[Row], **labels: Any) -> list[Row]:
    """The rows with these labels."""
    return [row for row in rows if all(row.get(key) == label for key, label in labels.items())]


def over_seeds(rows: Sequence[Row], column: str, unit: Sequence[str]) -> Spread:
    """Mean over units, and what its repetition with other seeds would give.

    Each seed's mean over all units is one number; the interval is Student's t of these. Seeds that
    lack a unit are left out of the interval; with fewer than two, there is none.

    Args:
        rows: A row for each unit and seed.
        column: What is averaged.
        unit: The columns that make a unit.
    """
    known = having(rows, column)
    mean = float(np.mean(numbers(averaged(known, unit), column)))
    units = {tuple(row.get(key) for key in unit) for row in known}
    of_seed: dict[Any, list[Row]] = {}
    for row in known:
        of_seed.setdefault(row.get("seed"), []).append(row)
    means = [
        float(np.mean(numbers(averaged(here, unit), column)))
        for here in of_seed.values()
        if {tuple(row.get(key) for key in unit) for row in here} == units
    ]
    if len(means) < 2 or np.ptp(means) == 0:
        return mean, None, None
    found = one_sample_t(means)
    return mean, mean + found.low - found.effect, mean + found.high - found.effect


def over_students(rows: Sequence[Row], column: str, unit: Sequence[str]) -> tuple[Spread, str]:
    """Mean over units, and its interval for other students, or, where these are few, other seeds.

    Students are what runs share most, so six or more of them are resampled whole.
    """
    means = averaged(having(rows, column), unit)
    students = [row.get("student") for row in means]
    if "student" not in unit or len(set(students)) < _STUDENTS:
        return over_seeds(rows, column, unit), "seeds"
    found = clustered_mean(numbers(means, column), students)
    return (found.value, found.low, found.high), "students"


def value(label: Any) -> float | None:
    """The number that a label of an axis is, or None."""
    try:
        number = float(label)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(label, bool) else None


def _key(label: Any) -> Any:
    """What a label of the study file and a value of the table have in common."""
    number = value(label)
    return str(label) if number is None else number


def _plain(value: Any) -> Any:
    """A Python value; what says that it is missing is None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
