"""One thing of the study moved, the rest as it is: the score at each value, a line a method."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Download, Figure
from .part import Part, part
from .plots import BASELINE, TEACHER, fitted, height, legend, style, values_axis
from .scale import Scale
from .tidy import Row, Spread, Tidy, having, over_seeds, value, where

Point = tuple[Any, Spread]
"""A label of the axis, and the score there."""

_ELSEWHERE = ("student", "method")  # lines, and a part of the page, of their own
_DASHED = {"marker": "", "linestyle": "--"}
_BARS = {"marker": "_", "markersize": 22, "linestyle": "none", "markeredgewidth": 2}
_LETTERS = 40  # of the words along an axis, before they have to slant
_APART = 0.09  # of the room between two words of an axis, from one method to the next


def section(tidy: Tidy) -> Part | None:
    """A figure for each axis, over all runs: before any choice among its values."""
    lead = (
        "One thing moved, means over everything else. Who picks the highest point of such a "
        "curve picks on the test items; choose on validation rows."
    )
    every = tidy.whole()
    figures = [
        _curve(every, axis, place, axis in tidy.chosen)
        for place, axis in enumerate(every.axes)
        if axis not in _ELSEWHERE
    ]
    return part("Ablations", lead, figures)


@in_style
def _curve(tidy: Tidy, axis: str, place: int, chosen: bool) -> Figure | None:
    places = _places(tidy.labels[axis])
    if len(places) < 2:
        return None
    of_numbers = all(value(label) is not None for label in places)
    drawing = canvas(WIDTH, height(len(tidy.methods) + 2))
    axes = drawing.subplots()
    unit = (*(a for a in tidy.axes if a not in (axis, "method")), "task")
    lines: list[tuple[str, list[Point]]] = []
    drawn: list[Row] = []
    for method in tidy.methods:
        rows = _whole(where(having(tidy.rows, "score"), method=method), axis, unit)
        line = _line(tidy, rows, axis, "score", unit)
        if len(line) > 1:
            drawn += rows
            lines.append((str(method), line))
            aside = 0.0 if of_numbers else _APART * (len(lines) - 1 - (len(tidy.methods) - 1) / 2)
            look = style(tidy, method) | ({} if of_numbers else {"linestyle": "none"})
            _draw(
                axes, line, {label: at + aside for label, at in places.items()}, str(method), look
            )
    if not lines:
        return None
    for name, column, colour in (
        ("SFT", "sft_score", BASELINE),
        ("teacher", "teacher_score", TEACHER),
    ):
        line = _line(tidy, drawn, axis, column, unit)
        if len(line) > 1:
            lines.append((name, line))
            line_or_marks = _DASHED if of_numbers else _BARS
            _draw(axes, line, places, name, {"color": colour, **line_or_marks}, bare=True)
    if of_numbers:
        values_axis(axes, places.values())
    else:
        names = [fitted(label, 16) for label in places]
        slanted: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        many = sum(map(len, names)) > _LETTERS
        axes.set_xticks(list(places.values()), names, **(slanted if many else {}))
    tidy.scale.mark(axes.yaxis)
    if not tidy.scale.higher_is_better:
        axes.invert_yaxis()
    axes.set_xlabel(axis, color=INK)
    axes.set_ylabel(tidy.scale.name, color=INK)
    axes.margins(0.06 if of_numbers else 0.15, 0.06)
    axes.grid()
    legend(drawing, axes)
    title = f"{tidy.scale.name.capitalize()} over {axis}"
    caption = (
        f"Mean {tidy.scale.name} at each value of {axis} over the cells and tasks that have all of "
        "them, with the 95% interval that other seeds would plausibly give."
    )
    if chosen:
        caption += (
            " Everywhere else on this page stands the value that was chosen on validation rows."
        )
    picture = Picture(
        inline_svg(drawing, f"figure-ablation-{place}", title, caption),
        caption,
        _table(title, axis, lines, tidy.scale),
    )
    raw = tuple((name, at, *spread) for name, line in lines for at, spread in line)
    file = "".join(c if c.isalnum() else "-" for c in f"score-over-{axis}")
    columns = ("method", axis, "score", "score_low", "score_high")
    return Figure(picture, Download(file, columns, raw))


def _whole(rows: Sequence[Row], axis: str, unit: Sequence[str]) -> list[Row]:
    """The rows of cells and tasks that have all values of the axis: a line is of the same cells."""
    values = {row[axis] for row in rows if row.get(axis) is not None}
    of_unit: dict[tuple[Any, ...], set[Any]] = {}
    for row in rows:
        of_unit.setdefault(tuple(row.get(key) for key in unit), set()).add(row.get(axis))
    return [row for row in rows if values <= of_unit[tuple(row.get(key) for key in unit)]]


def _places(labels: Sequence[Any]) -> dict[Any, float]:
    """Where each label stands, in order: at its number, or side by side where not all are numbers."""
    numbers = [value(label) for label in labels]
    places = [float(at if None in numbers else number or 0.0) for at, number in enumerate(numbers)]
    return dict(sorted(zip(labels, places, strict=True), key=lambda pair: pair[1]))


def _line(
    tidy: Tidy, rows: Sequence[Row], axis: str, column: str, unit: Sequence[str]
) -> list[Point]:
    found = []
    for label in _places(tidy.labels[axis]):
        if here := having(where(rows, **{axis: label}), column):
            mean, low, high = over_seeds(here, column, unit)
            found.append((label, (mean, tidy.scale.within(low), tidy.scale.within(high))))
    return found


def _draw(
    axes: Axes,
    line: list[Point],
    places: Mapping[Any, float],
    name: str,
    look: dict[str, Any],
    bare: bool = False,
) -> None:
    """A line with its intervals; what the methods are measured against is bare of them."""
    axes.plot(
        [places[label] for label, _ in line],
        [mean for _, (mean, _, _) in line],
        label=name,
        **{"linewidth": 1.8, "markersize": 7, **look},
    )
    if bare:
        return
    for label, (_, low, high) in line:
        if low is not None and high is not None:
            at = places[label]
            axes.plot((at, at), (low, high), color=look["color"], linewidth=2.4, alpha=0.45)


def _table(title: str, axis: str, lines: list[tuple[str, list[Point]]], scale: Scale) -> Table:
    columns = (
        Column("Method", text=True),
        Column(axis, text=True),
        Column("Score"),
        Column("95% interval"),
    )
    rows = tuple(
        (name, _said(label), scale.write(mean), scale.span(low, high))
        for name, line in lines
        for label, (mean, low, high) in line
    )
    return Table(title, "", columns, rows)


def _said(label: Any) -> str:
    number = value(label)
    return str(label) if number is None else f"{number:g}"
