"""What repeats in a study, and so what a test may count.

The rows of a study are not independent: all runs of a student share its fine-tuned baseline, runs
of a teacher share the teacher, a run is measured on several tasks, and seeds repeat one cell. A test
over rows takes one lucky baseline for many findings. So every test is done in each of these ways
that the rows have enough for, and the least sure of them (the widest interval) is the one that
counts:

* **students**, six or more: seeds are averaged, the values of a student are one cluster.
* **seeds**, three or more: all cells and tasks are averaged within each seed, so that whatever cells
  share is inside one number. Would other seeds show it again? Seeds that some cell or task lacks
  are left out, or the seeds would differ by what they hold; where fewer than three are left so, the
  cells and tasks that lack one are left out instead.
* **cells**, six or more, beside seeds and where students are too few: seeds and tasks are averaged,
  each cell (each pair of cells) is one number. Do the cells agree, or do a few of them carry it?
* **tasks**, six or more: seeds are averaged, the values of a task are one cluster.

Cells alone never count, for they share baselines; nor do fewer students, seeds or tasks: with these
nothing repeats, and nothing can be decided. Where only seeds are enough, the claim is about these
students, teachers, tasks and test items, and the note says so. ``units: cells`` counts cells and
nothing else, each averaged over its tasks and seeds, as published studies do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.studies.hypotheses.finding import Untestable, joined
from limbeck.studies.hypotheses.rows import Key, Observation

FEWEST_STUDENTS = 6
FEWEST_SEEDS = 3
FEWEST_CELLS = 6
FEWEST_TASKS = 6

SHARED = "cells are counted as independent, though they share baselines and students"


@dataclass(frozen=True)
class Sample:
    """Numbers to test, and what of them is independent.

    Attributes:
        values: ``[n, k]``: a number for each side or column.
        clusters: The cluster of each row of ``values``; None where each is its own.
        n: Independent units.
        unit: What they are.
        words: "54 values of 5 seeds".
        note: What was left out, and how far the claim reaches.
    """

    values: NDArray[np.float64]
    clusters: list[Any] | None
    n: int
    unit: str
    words: str
    note: str | None

    def by_cluster(self) -> NDArray[np.float64]:
        """Means of the clusters, ``[n, k]``."""
        if self.clusters is None:
            return self.values
        groups: dict[Any, list[int]] = {}
        for place, cluster in enumerate(self.clusters):
            groups.setdefault(cluster, []).append(place)
        return np.stack([self.values[places].mean(axis=0) for places in groups.values()])


def sampled(
    observations: Sequence[Observation], units: Literal["clusters", "cells"]
) -> list[Sample]:
    """The numbers that a test may use, in each way to count them; see the head of this file.

    Raises:
        Untestable: There are no observations, or nothing repeats in them.
    """
    if not observations:
        raise Untestable("no finished run has the numbers that are compared")
    if units == "cells":
        return [_of_cells(observations, SHARED)]
    of_unit = _grouped(observations, lambda one: (one.cell, one.task))
    students = {one.student for one in observations} - {None}
    tasks = {one.task for one in observations}
    found = []
    if len(students) >= FEWEST_STUDENTS:
        found.append(_clustered(of_unit, lambda one: one.student, "students"))
    found += _of_seeds(of_unit, beside_cells=not found)
    if len(tasks) >= FEWEST_TASKS:
        found.append(_clustered(of_unit, lambda one: one.task, "tasks"))
    if not found:
        seeds = len({one.seed for one in observations})
        raise Untestable(
            f"nothing repeats: {len(students)} students, {seeds} seeds, {len(tasks)} tasks; give "
            f"{FEWEST_SEEDS} seeds, {FEWEST_STUDENTS} students or {FEWEST_TASKS} tasks"
        )
    if len(found) == 1:
        only = "holds for these students, teachers, tasks and test items"
        limit = {"seeds": only, "tasks": "other seeds are not in the interval"}.get(found[0].unit)
        return [replace(found[0], note=joined(found[0].note, limit))]
    ways = ", ".join(f"{one.n} {one.unit}" for one in found)
    return [replace(one, note=joined(one.note, f"the least sure of {ways}")) for one in found]


def _of_seeds(of_unit: Mapping[Key, list[Observation]], beside_cells: bool) -> list[Sample]:
    of_each = [{one.seed for one in ones} for ones in of_unit.values()]
    every, common = set().union(*of_each), set.intersection(*of_each)
    seeds = common if len(common) >= FEWEST_SEEDS else every
    whole = [ones for ones, its in zip(of_unit.values(), of_each, strict=True) if seeds <= its]
    if len(seeds) < FEWEST_SEEDS or not whole:
        return []
    strays, lost = len(every - seeds), len(of_unit) - len(whole)
    note = joined(
        f"{strays} of {len(every)} seeds are not in all cells, left out" if strays else None,
        f"{lost} of {len(of_unit)} cells and tasks lack a seed, left out" if lost else None,
    )
    kept = [one for ones in whole for one in ones if one.seed in seeds]
    by_seed = _stacked(_grouped(kept, lambda one: one.seed))
    words = f"{len(whole)} cells and tasks in each of {len(seeds)} seeds"
    found = [Sample(by_seed, None, len(seeds), "seeds", words, note)]
    if beside_cells and len({one.cell for one in kept}) >= FEWEST_CELLS:
        found.append(_of_cells(kept, note))
    return found


def _of_cells(observations: Sequence[Observation], note: str | None) -> Sample:
    values = _stacked(_grouped(observations, lambda one: one.cell))
    words = f"{len(values)} cells, tasks and seeds averaged"
    return Sample(values, None, len(values), "cells", words, note)


def _clustered(
    of_unit: Mapping[Key, list[Observation]],
    cluster: Callable[[Observation], Any],
    unit: str,
) -> Sample:
    clusters = [cluster(ones[0]) for ones in of_unit.values()]
    n = len(set(clusters))
    words = f"{len(of_unit)} cells and tasks of {n} {unit}, seeds averaged"
    return Sample(_stacked(of_unit), clusters, n, unit, words, None)


def _grouped(
    observations: Sequence[Observation], key: Callable[[Observation], Any]
) -> dict[Any, list[Observation]]:
    groups: dict[Any, list[Observation]] = {}
    for one in observations:
        groups.setdefault(key(one), []).append(one)
    return groups


def _stacked(groups: Mapping[Any, list[Observation]]) -> NDArray[np.float64]:
    return np.array([np.mean([one.values for one in ones], axis=0) for ones in groups.values()])
