"""Gain against the student's size, and against how much larger its teacher is."""

from collections.abc import Callable, Sequence

from limbeck.reports import words
from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .part import Part, part
from .plots import cell_name, height, legend, scatter, values_axis, zero
from .tidy import Row, Tidy, having

_GAIN = "Gain over the SFT baseline of the same student, means over tasks and seeds"
_POINT = (
    "A point is a cell of those that all methods have; a line joins a method's means, where there "
    "are many places those of neighbours."
)


def section(tidy: Tidy, cells: Sequence[Row]) -> Part | None:
    """Both figures, where sizes are known and differ.

    Args:
        tidy: The study.
        cells: A row for each cell and method, the same cells for all methods.
    """
    lead = (
        "Small students have more to gain, but also more room to do so; read these beside the "
        "scores, and a claim only where a hypothesis says it."
    )
    return part("Gain and size", lead, (by_size(tidy, cells), by_gap(tidy, cells)))


def by_size(tidy: Tidy, cells: Sequence[Row]) -> Figure | None:
    """A point a cell, its gain over the student's parameters."""
    rows = having(cells, "student_parameters", "improvement")
    caption = f"{_GAIN}, over the student's size. {_POINT}"
    return _figure(
        tidy,
        rows,
        "student_parameters",
        "size",
        ("Gain against student size", caption, "parameters of the student", "Size"),
        words.parameters,
    )


def by_gap(tidy: Tidy, cells: Sequence[Row]) -> Figure | None:
    """A point a cell, its gain over the teacher's parameters for each of the student's."""
    rows = [
        {**row, "capacity_gap": row["teacher_parameters"] / row["student_parameters"]}
        for row in having(cells, "student_parameters", "teacher_parameters", "improvement")
        if row["student_parameters"] > 0
    ]
    caption = f"{_GAIN}, over how many times larger the teacher is. {_POINT}"
    return _figure(
        tidy,
        rows,
        "capacity_gap",
        "capacity-gap",
        (
            "Gain against the capacity gap",
            caption,
            "parameters of the teacher over the student's",
            "Gap",
        ),
        _times,
    )


@in_style
def _figure(
    tidy: Tidy,
    rows: Sequence[Row],
    x: str,
    name: str,
    said: tuple[str, str, str, str],
    write: Callable[[float], str],
) -> Figure | None:
    title, caption, across, heading = said
    if len({row[x] for row in rows}) < 2:
        return None
    drawing = canvas(WIDTH, height(len(tidy.methods)))
    axes = drawing.subplots()
    scatter(axes, tidy, rows, x, "improvement", lines=True)
    zero(axes)
    values_axis(axes, [row[x] for row in rows], write)
    tidy.scale.mark_differences(axes.yaxis)
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(", ".join(filter(None, ("gain over SFT", tidy.scale.unit))), color=INK)
    axes.margins(x=0.06, y=0.08)
    axes.grid()
    legend(drawing, axes)
    columns = (Column("Cell", text=True), Column(heading), Column("Gain"))
    ordered = sorted(rows, key=lambda row: (row[x], str(row.get("method"))))
    numbers = tuple(
        (cell_name(row, tidy.axes), write(row[x]), tidy.scale.difference(row["improvement"]))
        for row in ordered
    )
    picture = Picture(
        inline_svg(drawing, f"figure-{name}", title, caption),
        caption,
        Table(title, "", columns, numbers),
    )
    data = (*tidy.axes, "student_parameters", "teacher_parameters", "improvement", "score")
    extra = () if x in data else (x,)
    return Figure(picture, of_rows(f"gain-against-{name}", ordered, (*data, *extra)))


def _times(gap: float) -> str:
    return f"{gap:.3g}\N{MULTIPLICATION SIGN}"
