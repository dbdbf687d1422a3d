"""Claims that two columns rise and fall together.

Tasks and seeds are averaged first: they repeat a cell, and say nothing new about, say, its
student's size. What then counts depends on where the columns vary:

* one of them is told by fewer axes than make a cell: a student's size by the student, a teacher's
  score by the teacher, a number of rows by itself. Cells are averaged to these: thirty cells of
  three students know three sizes.
* both vary from cell to cell (agreement, fidelity): **cells**, with students and teachers held fixed
  beside ``given``. A student's cells share a baseline, a teacher's all that it is; across them, whatever
  is low for one of them would go with whatever else is low for it. What methods have in common still
  counts once a cell.

Only seeds that all cells have are averaged, or a cell that lacks one would look like another. Seeds
are never counted: with other seeds the same cells give the same picture, related or not.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

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
    is_teacher,
    number,
    observed,
)
from limbeck.studies.hypotheses.spec import Correlation
from limbeck.studies.hypotheses.units import SHARED

_OF_TASKS = (*SCORES, "improvement")  # of shares, or of bits: no common mean
Blocks: TypeAlias = Mapping[str, Sequence[Key]]
"""What is held fixed to the label of each cell."""

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
    seeds = _common_seeds(rows, axes)
    rows, every = ([row for row in some if row.get("seed") in seeds] for some in (rows, every))
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
    unit, note = "cells", None
    blocks: Blocks = {}
    if claim.units == "cells":
        note = SHARED
    else:
        told = [_told_by(values[:, k], list(cells), len(axes)) for k in (0, 1)]
        for column, some in zip(columns, told, strict=False):
            if not some:
                raise Untestable(f"{column} is the same in all cells")
        told_by = min(told, key=lambda some: len({_at(cell, some) for cell in cells}))
        labels = [_at(cell, told_by) for cell in cells]
        varied = [k for k in range(len(axes)) if len({cell[k] for cell in cells}) > 1]
        if len(told_by) < len(varied) or len(varied) == 1:
            unit, values = _named([axes[k] for k in told_by]), _averaged(values, labels)
        else:
            blocks = _blocks(list(cells), axes, varied)
    found = _correlated(values, claim.given, blocks, unit)
    n, fixed = found.n, len(claim.given) + sum(len(set(labels)) - 1 for labels in blocks.values())
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


def _common_seeds(rows: Sequence[Row], axes: Sequence[str]) -> set[Any]:
    """The seeds that all cells have; where there is none, all seeds."""
    of_cell: dict[Key, set[Any]] = {}
    for row in rows:
        of_cell.setdefault(tuple(row.get(axis) for axis in axes), set()).add(row.get("seed"))
    return set.intersection(*of_cell.values()) or set.union(*of_cell.values())


def _told_by(values: NDArray[np.float64], cells: Sequence[Key], axes: int) -> tuple[int, ...]:
    """The fewest axes whose labels tell the value of a cell."""
    for size in range(axes):
        for some in itertools.combinations(range(axes), size):
            if _constant_within(values, [_at(cell, some) for cell in cells]):
                return some
    return tuple(range(axes))


def _at(cell: Key, places: Iterable[int]) -> Key:
    return tuple(cell[place] for place in places)


def _constant_within(values: NDArray[np.float64], labels: Sequence[Key]) -> bool:
    """Whether cells of one label have one value."""
    first: dict[Key, float] = {}
    tolerance = 1e-9 * max(1.0, float(np.abs(values).max()))
    return all(
        abs(first.setdefault(label, value) - value) <= tolerance
        for label, value in zip(labels, values, strict=True)
    )


def _named(axes: Sequence[str]) -> str:
    """What is counted: ``students``, ``teachers``, ``values of data.rows``."""
    if len(axes) == 1:
        plain = {"student": "students", "teacher": "teachers", "method": "methods"}
        return plain.get(axes[0], f"values of {axes[0]}")
    return f"combinations of {' and '.join(axes)}"


def _blocks(cells: Sequence[Key], axes: Sequence[str], varied: Sequence[int]) -> Blocks:
    """Labels of each cell's student and teacher, where there are several."""
    found = {}
    for name, wanted in (("student", is_student), ("teacher", is_teacher)):
        places = [place for place in varied if wanted(axes[place])]
        if places:
            found[name] = [_at(cell, places) for cell in cells]
    return found


def _averaged(values: NDArray[np.float64], labels: Sequence[Key]) -> NDArray[np.float64]:
    places: dict[Key, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    return np.stack([values[some].mean(axis=0) for some in places.values()])


def _correlated(
    values: NDArray[np.float64], given: Sequence[str], blocks: Blocks, unit: str
) -> Effect:
    if len(values) < _FEWEST:
        raise Untestable(f"{len(values)} {unit} are too few for a correlation: {_FEWEST} at least")
    fixed = {name: values[:, 2 + k] for k, name in enumerate(given)}
    test = "Spearman" if not given else f"partial Spearman given {', '.join(given)}"
    for name, labels in blocks.items():
        test += f"{', within' if 'within' not in test else ' and'} {name}s"
        for label in sorted(set(labels), key=str)[1:]:
            fixed[f"{name} {label}"] = np.array([float(one == label) for one in labels])
    try:
        if not fixed:
            return spearman(values[:, 0], values[:, 1])
        found = partial_spearman(values[:, 0], values[:, 1], fixed)
    except ValueError as error:
        raise Untestable(str(error)) from None
    return Effect(**{**found.__dict__, "test": test})
