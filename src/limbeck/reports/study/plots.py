"""What the drawings of a study share: a colour and a mark for each method, axes, points with lines."""

import math
from collections.abc import Callable, Iterable, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullLocator

from limbeck.reports.figures import COLOURS, wide
from limbeck.reports.svg import INK

from .tidy import Row, Tidy

TEACHER, BASELINE = COLOURS["teacher"], COLOURS["sft"]
# Neither the teacher's colour nor the baseline's; marks differ too, for readers who see no colour.
_ARMS = ("student", "control_labelled", "control_gold", "one_shot", "control_resample")
_MORE = ("control_longer", "control_blind", "control_shuffled", "before")
_COLOURS = tuple(COLOURS[arm] for arm in (*_ARMS, *_MORE))
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">")
_MEANS = 7  # points of a line through means, at most
_ROOM = 0.17  # of the axis, for the words at one of its marks
_DASHES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (10, 3)), (0, (1, 4)))


def style(tidy: Tidy, method: Any) -> dict[str, Any]:
    """Colour and mark of a method, the same in every figure."""
    place = tidy.methods.index(method) if method in tidy.methods else 0
    return {"color": _COLOURS[place % len(_COLOURS)], "marker": _MARKS[place % len(_MARKS)]}


def values_axis(
    axes: Axes, values: Iterable[float], write: Callable[[float], str] = "{:g}".format
) -> None:
    """Mark the horizontal axis at values that were measured; far apart, logarithmic."""
    places = sorted(set(values))
    far = wide(places)
    if far:
        axes.set_xscale("log")
    shown = _apart(places, far)
    axes.set_xticks(shown, [write(value) for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())


def _apart(places: list[float], far: bool) -> list[float]:
    """The first and last places, and of those between what leaves room for the words of all."""
    at = {place: math.log(place) if far else place for place in places}
    room = _ROOM * (at[places[-1]] - at[places[0]])
    kept = [places[0]]
    for place in places[1:-1]:
        if at[place] - at[kept[-1]] >= room and at[places[-1]] - at[place] >= room:
            kept.append(place)
    return [*kept, places[-1]] if len(places) > 1 else kept


def scatter(axes: Axes, tidy: Tidy, rows: Sequence[Row], x: str, y: str, lines: bool) -> None:
    """A point for each row; with lines, one a method through the means at each x, which is above 0."""
    for method in tidy.methods:
        here = [row for row in rows if row.get("method") == method]
        if not here:
            continue
        look = style(tidy, method)
        axes.plot(
            [row[x] for row in here],
            [row[y] for row in here],
            linestyle="none",
            markersize=7,
            alpha=0.75,
            label=str(method),
            **look,
        )
        if lines:
            places, means = _line([(row[x], row[y]) for row in here])
            axes.plot(places, means, color=look["color"], linewidth=1.6)


def _line(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Means at each place; of many places, of neighbours: one point of each would be noise."""
    at: dict[float, list[float]] = {}
    for place, value in points:
        at.setdefault(place, []).append(value)
    places = sorted(at)
    groups = [places] if len(places) < 2 else np.array_split(places, min(len(places), _MEANS))
    middles = [math.exp(np.log(group).mean()) for group in groups]
    return middles, [float(np.mean([v for place in group for v in at[place]])) for group in groups]


def ceilings(axes: Axes, tidy: Tidy, rows: Sequence[Row]) -> list[tuple[str, float]]:
    """A dashed line at each teacher's score, over the same tasks; what was drawn is handed back."""
    found = []
    for teacher in tidy.labels.get("teacher", (None,)):
        scores = [
            row["teacher_score"]
            for row in rows
            if row.get("teacher_score") is not None and teacher in (None, row.get("teacher"))
        ]
        if scores:
            found.append((str(teacher or "teacher"), sum(scores) / len(scores)))
    for place, (name, score) in enumerate(found):
        label = name if "teacher" in name.lower() else f"teacher {name}"
        dashes = _DASHES[place % len(_DASHES)]
        axes.axhline(score, color=TEACHER, linestyle=dashes, linewidth=1.5, label=label)
    return found


def zero(axes: Axes) -> None:
    """The line above which distillation helped."""
    axes.axhline(0, color=INK, linewidth=1, alpha=0.6)


def legend(figure: Canvas, axes: Axes) -> None:
    """Names below the drawing, where there is more than one."""
    handles, names = axes.get_legend_handles_labels()
    if len(handles) > 1:
        columns = 3 if max(map(len, names)) <= 11 else 2
        shown = [fitted(name, 20, 2) for name in names]
        figure.legend(handles, shown, loc="outside lower center", ncols=columns)


def height(names: int) -> int:
    """CSS pixels that a drawing with so many names below it needs."""
    return 245 + 22 * -(-names // 2)


def fitted(label: Any, width: int, lines: int = 1) -> str:
    """A label in the room that there is; of a long one start and end, where models tell their size."""
    name = str(label).rstrip("/").rpartition("/")[2] or str(label)
    found = wrap(name, width)
    if len(found) <= lines:
        return "\n".join(found)
    start = width // 3
    return f"{name[:start]}\N{HORIZONTAL ELLIPSIS}{name[start + 1 - width :]}"


def cell_name(row: Row, axes: Sequence[str]) -> str:
    """The labels of a cell in a few words."""
    labels = (row.get(axis) for axis in axes)
    shown = (
        f"{label:g}" if isinstance(label, float) else str(label)
        for label in labels
        if label is not None
    )
    return ", ".join(shown)
