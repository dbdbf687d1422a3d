"""Teacher by student: where each method gains, one map a method, all on one scale."""

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.reports.figures import COLOURS, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .part import Part, part
from .plots import fitted
from .tidy import Row, Tidy, averaged, having, where

_SMALL, _CELL, _NAMES = 270, 46, 90  # CSS pixels: a small map, a cell's width, the teachers' names
_FEW = 4  # students that a small map has room for
_GAIN, _LOSS = COLOURS["teacher"], COLOURS["student"]
_DARKEST = 0.6  # of a colour, so that ink can be read on it on any page


def section(tidy: Tidy, cells: Sequence[Row]) -> Part | None:
    """A map for each method, where teachers or students differ.

    Args:
        tidy: The study.
        cells: A row for each cell and method, the same cells for all methods.
    """
    rows = having(cells, "improvement")
    teachers, students = (tidy.labels.get(axis, ()) for axis in ("teacher", "student"))
    if len(teachers) * len(students) < 2 or not rows:
        return None
    gains = averaged(rows, ("method", "teacher", "student"))
    most = max(abs(row["improvement"]) for row in gains)
    lead = (
        "Gained over SFT by each student (across) from each teacher (down). The deeper, the "
        "more: blue is gain, orange is loss, on one scale for all methods."
    )
    maps = [_map(tidy, where(gains, method=method), method, most) for method in tidy.methods]
    return part("Teacher by student", lead, maps, small=len(students) <= _FEW)


@in_style
def _map(tidy: Tidy, cells: list[Row], method: Any, most: float) -> Figure | None:
    if not cells:
        return None
    teachers, students = tidy.labels["teacher"], tidy.labels["student"]
    gains: Mapping[tuple[Any, Any], float] = {
        (row["teacher"], row["student"]): row["improvement"] for row in cells
    }
    few = len(students) <= _FEW
    width = max(_SMALL, _NAMES + _CELL * len(students))
    drawing = canvas(width, (56 if few else 100) + 46 * len(teachers))
    axes = drawing.subplots()
    for y, teacher in enumerate(teachers):
        for x, student in enumerate(students):
            gain = gains.get((teacher, student))
            if gain is None:
                axes.text(x, y, "\N{EN DASH}", ha="center", va="center")
                continue
            depth = _DARKEST * abs(gain) / most if most else 0
            box = axes.bar(x, 0.94, 0.96, y - 0.47, color=_GAIN if gain >= 0 else _LOSS)
            box.patches[0].set_alpha(depth)
            axes.text(x, y, tidy.scale.difference(gain), ha="center", va="center")
    if few:
        names = [fitted(student, 30 // len(students), 2) for student in students]
        axes.set_xticks(range(len(students)), names)
    else:
        names = [fitted(student, 16) for student in students]
        axes.set_xticks(
            range(len(students)), names, rotation=40, ha="right", rotation_mode="anchor"
        )
    axes.set_yticks(range(len(teachers)), [fitted(t, 10, 3) for t in teachers])
    axes.set_xlim(-0.5, len(students) - 0.5)
    axes.set_ylim(len(teachers) - 0.5, -0.5)
    axes.set_xlabel("student", color=INK)
    axes.set_ylabel("teacher", color=INK)
    title, place = f"Gain of {method}", tidy.methods.index(method) + 1
    caption = "Score over the SFT baseline, means over tasks, seeds and other axes."
    columns = (Column("Teacher", text=True), *(Column(str(student)) for student in students))
    rows = tuple(
        (
            str(teacher),
            *(tidy.scale.difference(gains.get((teacher, student))) for student in students),
        )
        for teacher in teachers
    )
    picture = Picture(
        inline_svg(drawing, f"figure-map-{place}", title, caption),
        caption,
        Table(title, "", columns, rows),
    )
    data = ("method", "teacher", "student", "improvement", "score", "sft_score")
    return Figure(picture, of_rows(f"gain-by-teacher-and-student-{place}", cells, data))
