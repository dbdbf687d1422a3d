"""Settings that are no question: chosen on validation rows, once for each cell and seed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from limbeck.errors import RequestError
from limbeck.recipe.wording import nearest
from limbeck.studies.hypotheses import Hypothesis, axes_of
from limbeck.studies.hypotheses.rows import comparable, number, rows_of

Table = dict[str, list[Any]]

_VALIDATION = "validation_score"
_QUESTIONS = ("student", "task", "seed")  # no settings of a run


class Selection(BaseModel):
    """Which axes are settings, and what they are chosen by.

    Attributes:
        axis: The axis, or several that are chosen together.
        by: The column that is largest at the chosen value. Only ``validation_score`` can be: what
            is chosen on test rows is better there than it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    axis: str | list[str] = Field(min_length=1)
    by: str = _VALIDATION

    @field_validator("by")
    @classmethod
    def _honest(cls, by: str) -> str:
        if by != _VALIDATION:
            raise ValueError(
                f"settings are chosen by {_VALIDATION}; {by!r} is measured on the rows that the "
                "hypotheses are tested on"
            )
        return by

    @property
    def names(self) -> tuple[str, ...]:
        """The axes."""
        return (self.axis,) if isinstance(self.axis, str) else tuple(self.axis)


def check_selection(
    selection: Selection, axes: Iterable[str], hypotheses: Sequence[Hypothesis] = ()
) -> None:
    """Refuse a selection of what is no axis, or of what a study asks about.

    Raises:
        RequestError: Names the axis.
    """
    names = list(axes)
    settings = [axis for axis in names if axis not in _QUESTIONS]
    for name in selection.names:
        if name not in settings:
            what = (
                f"{name} is no setting to choose"
                if name in names
                else f"the study has no axis {name!r}"
            )
            raise RequestError(what, where="select: axis", mend=nearest(name, settings))
        for place, one in enumerate(hypotheses):
            if any(name in side for side in (one.where, *one.sides)):
                raise RequestError(
                    f"the hypothesis speaks of {name}, which is chosen on validation rows",
                    where=f"hypotheses[{place}]: {one.claim}",
                    mend="leave the axis out of select, or out of the hypothesis",
                )


def select(
    table: Mapping[str, Sequence[Any]], selection: Selection, axes: Sequence[str] | None = None
) -> tuple[Table, dict[str, Any]]:
    """Keep, for each cell and seed, the run whose validation score is best.

    Runs of methods that do not have the setting stay as they are. A run that failed cannot be
    chosen. Scores in bits are better the smaller they are.

    Args:
        table: The study's results, a list by column.
        selection: What is chosen, and by what.
        axes: Names of the columns that make a cell; by default those that are no measurements.

    Returns:
        The table of the chosen runs, without the columns of these axes; and what was chosen:
        ``{"axis", "by", "counts": {axis: {value: cells and seeds}}, "lacking": cells and seeds
        without a value that others of the cell have, "runs": [ids]}``.

    Raises:
        RequestError: The axis is none of the study's, or finished runs to choose between have no
            validation score.
    """
    names = axes_of(table) if axes is None else tuple(axes)
    check_selection(selection, names)
    return reduced(table, selection.names, selection.by, names)


def reduced(
    table: Mapping[str, Sequence[Any]], names: Sequence[str], by: str, axes: Sequence[str]
) -> tuple[Table, dict[str, Any]]:
    """The same by any column: for tables that others chose from in ways that a study refuses.

    A run's mean of the column over the tasks that have it counts. Ties go to the value that stands
    first.

    Raises:
        RequestError: Finished runs to choose between lack the column.
    """
    rows = rows_of(table)
    left = [axis for axis in axes if axis not in names]
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for row in rows:
        key = (*(row.get(axis) for axis in left), row.get("seed"))
        value = tuple(row.get(name) for name in names)
        groups.setdefault(key, {}).setdefault(value, []).append(row)
    of_cell: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for key, candidates in groups.items():
        of_cell.setdefault(key[:-1], set()).update(candidates)
    lacking = sum(len(found) < len(of_cell[key[:-1]]) for key, found in groups.items())
    kept: list[dict[str, Any]] = []
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    for candidates in groups.values():
        best = next(iter(candidates))
        if len(candidates) > 1:
            best = max(candidates, key=lambda value: _mean(candidates[value], by))
        kept += candidates[best]
        for name, value in zip(names, best, strict=True):
            if value is not None:
                counts[name][str(value)] = counts[name].get(str(value), 0) + 1
    found = {column: [row[column] for row in kept] for column in table if column not in names}
    runs = list(dict.fromkeys(str(row["run"]) for row in kept if row.get("run") is not None))
    axis: Any = names[0] if len(names) == 1 else list(names)
    return found, {"axis": axis, "by": by, "counts": counts, "lacking": lacking, "runs": runs}


def _mean(rows: Sequence[Mapping[str, Any]], by: str) -> float:
    known = [score for row in comparable(rows) if (score := number(row, by)) is not None]
    known = known or [score for row in rows if (score := number(row, by)) is not None]
    if not known:
        raise RequestError(
            f"there is no {by} to choose by",
            where=f"run {rows[0].get('run')}",
            mend="keep validation rows (data: validation), or fix the setting in advance and drop "
            "select",
        )
    return sum(known) / len(known)
