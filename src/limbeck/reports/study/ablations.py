"""One number of the study moved, the rest as it is: the score at each value, a line a method."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Download, Figure
from .part import Part, part
from .plots import BASELINE, TEACHER, height, legend, style, values_axis
from .scale import Scale
from .tidy import FIXED, Row, Spread, Tidy, having, over_seeds, value, where

Point = tuple[float, Spread]


def section(tidy: Tidy) -> Part | None:
    """A figure for each axis of numbers, over all runs: before any choice among its values."""
    lead = (
        "One setting moved, means over everything else. Who picks the highest point of such a "
        "curve picks on the test items; choose on validation rows."
    )
    every = tidy.whole()
    figures = [
        _curve(every, axis, place, axis in tidy.chosen)
        for place, axis in enumerate(every.axes)
        if axis not in FIXED
    ]
    return part("Ablations", lead, figures)


@in_style
def _curve(tidy: Tidy, axis: str, place: int, chosen: bool) -> Figure | None:
    labels = tidy.labels[axis]
    values = {label: number for label in labels if (number := value(label)) is not None}
    if len(values) < 2 or len(values) < len(labels):
        return None
    drawing = canvas(WIDTH, height(len(tidy.methods) + 2))
    axes = drawing.subplots()
    unit = (*(a for a in tidy.axes if a not in (axis, "method")), "task")
    lines: list[tuple[str, list[Point]]] = []
    drawn: list[Row] = []
    for method in tidy.methods:
        rows = _whole(where(having(tidy.rows, "score"), method=method), axis, unit)
        line = _line(rows, axis, values, "score", unit)
        if len(line) > 1:
            drawn += rows
            lines.append((str(method), line))
            _draw(axes, line, str(method), **style(tidy, method))
    if not lines:
        return None
    for name, column, colour in (
        ("SFT", "sft_score", BASELINE),
        ("teacher", "teacher_score", TEACHER),
    ):
        line = _line(drawn, axis, values, column, unit)
        if len(line) > 1:
            lines.append((name, line))
            _draw(axes, line, name, color=colour, marker="", linestyle="--")
    values_axis(axes, values.values())
    tidy.scale.mark(axes.yaxis)
    if not tidy.scale.higher_is_better:
        axes.invert_yaxis()
    axes.set_xlabel(axis, color=INK)
    axes.set_ylabel(tidy.scale.name, color=INK)
    axes.margins(0.06)
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


def _line(
    rows: Sequence[Row], axis: str, values: dict[Any, float], column: str, unit: Sequence[str]
) -> list[Point]:
    found = []
    for label, number in sorted(values.items(), key=lambda pair: pair[1]):
        if here := having(where(rows, **{axis: label}), column):
            found.append((number, over_seeds(here, column, unit)))
    return found


def _draw(axes: Axes, line: list[Point], name: str, **look: Any) -> None:
    axes.plot(
        [at for at, _ in line],
        [mean for _, (mean, _, _) in line],
        label=name,
        linewidth=1.8,
        markersize=7,
        **look,
    )
    if look.get("linestyle"):  # what the methods are measured against needs no interval
        return
    for at, (_, low, high) in line:
        if low is not None and high is not None:
            axes.plot((at, at), (low, high), color=look["color"], linewidth=2.4, alpha=0.45)


def _table(title: str, axis: str, lines: list[tuple[str, list[Point]]], scale: Scale) -> Table:
    columns = (Column("Method", text=True), Column(axis), Column("Score"), Column("95% interval"))
    rows = tuple(
        (name, f"{at:g}", scale.write(mean), scale.span(low, high))
        for name, line in lines
        for at, (mean, low, high) in line
    )
    return Table(title, "", columns, rows)
