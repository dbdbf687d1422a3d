"""Claims that two columns rise and fall together.

Tasks and seeds are averaged first: they repeat a cell, and say nothing new about, say, its
student's size. What then counts depends on where the columns vary:

* one of them is the same in all cells of a student (its size), or of a teacher: cells are averaged
  to **students** or **teachers**. Thirty cells of three students know three sizes.
* both vary from cell to cell (agreement, fidelity): **cells**, compared within students only
  (students are held fixed beside ``given``), because a student's cells share a baseline, and so
  improvements and whatever else hangs on it. What methods or teachers have in common still counts
  once a cell; hold it fixed by ``given`` where that matters.

Seeds are never counted: with other seeds the same cells give the same picture, related or not.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from limbeck.analysis import partial_spearman, spearman
from limbeck.analysis.estimate import Effect
from limbeck.studies.hypotheses import power
from limbeck.studies.hypotheses.finding import Finding, Untestable, joined
from limbeck.studies.hypotheses.rows import (
    SCORES,
    Key,
    Observation,
    Row,
    comparable,
    is_student,
    number,
    observed,
)
from limbeck.studies.hypotheses.spec import Correlation
from limbeck.studies.hypotheses.units import SHARED

_OF_TASKS = (*SCORES, "improvement")  # of shares, or of bits: no common mean
_FEWEST = 4  # of which a rank correlation has an interval


def correlation(
    claim: Correlation, rows: Sequence[Row], every: Sequence[Row], axes: Sequence[str]
) -> Finding:
    """Spearman's correlation of two columns over what varies independently.

    Args:
        claim: What is claimed.
        rows: Of the tasks that are meant.
        every: Of all tasks: what is measured on a run's own test rows only (agreement, fidelity) is
            taken from there where the tasks have none of it.
        axes: Names of the columns that make a cell.
    """
    columns = (claim.of, claim.with_, *claim.given)
    of_column = [_by_cell(rows, every, column, axes) for column in columns]
    cells = {
        cell: np.array([found[cell] for found in of_column])
        for cell in of_column[0]
        if all(cell in found for found in of_column)
    }
    if not cells:
        raise Untestable(f"no cell has all of {', '.join(columns)}")
    lost = len(set().union(*of_column)) - len(cells)
    values = np.array(list(cells.values()))
    unit, blocks, note = "cells", None, None
    if claim.units == "cells":
        note = SHARED
    else:
        students = _labels(cells, axes, is_student)
        for name, labels in (
            ("students", students),
            ("teachers", _labels(cells, axes, lambda axis: axis == "teacher")),
        ):
            if any(_constant_within(values[:, k], labels) for k in (0, 1)):
                unit, values = name, _averaged(values, labels)
                break
        else:
            blocks = students if len(set(students)) > 1 else None
    found = _correlated(values, claim.given, blocks, unit)
    n, fixed = found.n, len(claim.given) + (len(set(blocks)) - 1 if blocks else 0)
    sign = {"positive": 1, "negative": -1, "any": 0}[claim.direction]
    p = found.p if sign == 0 else found.p / 2 if sign * found.effect > 0 else 1 - found.p / 2
    given = f", {', '.join(claim.given)} held fixed" if claim.given else ""
    return Finding(
        found.effect,
        found.low,
        found.high,
        p,
        n,
        unit,
        found.test,
        {1: found.low > 0, -1: found.high < 0, 0: found.low > 0 or found.high < 0}[sign],
        {1: found.high < 0, -1: found.low > 0, 0: False}[sign],
        f"{claim.of} with {claim.with_}{given}; {n} {unit}, tasks and seeds averaged",
        lambda level: power.for_correlation(
            found.effect, min(0.025, level / 2 if sign == 0 else level), fixed
        ),
        found.statistic,
        joined(found.note, note, f"{lost} cells lack a number, left out" if lost else None),
    )


def _by_cell(
    rows: Sequence[Row], every: Sequence[Row], column: str, axes: Sequence[str]
) -> dict[Key, float]:
    """Mean of a column for each cell over seeds, then tasks; cells that lack a task are left out."""

    def seen(some: Sequence[Row]) -> list[Observation]:
        some = comparable(some) if column in _OF_TASKS else some
        return observed(some, axes, lambda row: (number(row, column),))

    found = seen(rows) or seen(every)
    table: dict[Key, dict[object, list[float]]] = {}
    for one in found:
        table.setdefault(one.cell, {}).setdefault(one.task, []).append(one.values[0])
    tasks = {one.task for one in found}
    return {
        cell: float(np.mean([np.mean(seeds) for seeds in of_task.values()]))
        for cell, of_task in table.items()
        if set(of_task) == tasks
    }


def _labels(cells: Iterable[Key], axes: Sequence[str], wanted: Callable[[str], bool]) -> list[Key]:
    places = [place for place, axis in enumerate(axes) if wanted(axis)]
    return [tuple(cell[place] for place in places) for cell in cells]


def _constant_within(values: NDArray[np.float64], labels: Sequence[Key]) -> bool:
    """Whether there are fewer numbers than labels could tell apart: one for each label."""
    first: dict[Key, float] = {}
    tolerance = 1e-9 * max(1.0, float(np.abs(values).max()))
    return len(set(labels)) < len(labels) and all(
        abs(first.setdefault(label, value) - value) <= tolerance
        for label, value in zip(labels, values, strict=True)
    )


def _averaged(values: NDArray[np.float64], labels: Sequence[Key]) -> NDArray[np.float64]:
    places: dict[Key, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    return np.stack([values[some].mean(axis=0) for some in places.values()])


def _correlated(
    values: NDArray[np.float64], given: Sequence[str], blocks: list[Key] | None, unit: str
) -> Effect:
    if len(values) < _FEWEST:
        raise Untestable(f"{len(values)} {unit} are too few for a correlation: {_FEWEST} at least")
    fixed = {name: values[:, 2 + k] for k, name in enumerate(given)}
    test = "Spearman" if not given else f"partial Spearman given {', '.join(given)}"
    if blocks is not None:
        test += ", within students"
        for label in sorted(set(blocks), key=str)[1:]:
            fixed[f"student {label}"] = np.array([float(one == label) for one in blocks])
    try:
        if not fixed:
            return spearman(values[:, 0], values[:, 1])
        found = partial_spearman(values[:, 0], values[:, 1], fixed)
    except ValueError as error:
        raise Untestable(str(error)) from None
    return Effect(**{**found.__dict__, "test": test})
