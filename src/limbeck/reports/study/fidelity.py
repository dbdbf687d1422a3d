"""Score against likeness to the teacher: whether students learn the task or the teacher."""

from limbeck.reports import words
from limbeck.reports.audit.plots import percent_axis
from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .part import Part, part
from .plots import ceilings, cell_name, height, legend, scatter
from .tidy import Tidy, averaged, having

_KINDS = {
    "agreement": ("agreement", "items with the teacher's answer", "agreement in answers"),
    "fidelity_top1": ("fidelity", "positions with the teacher's likeliest token", "same top token"),
}


def section(tidy: Tidy) -> Part | None:
    """A figure for agreement in answers, and one for likeness token by token."""
    lead = (
        "Up is better, right is more like the teacher. Points that climb without moving right "
        "learn the task; points that move right without climbing imitate."
    )
    return part("Score and fidelity", lead, [_figure(tidy, column) for column in _KINDS])


@in_style
def _figure(tidy: Tidy, column: str) -> Figure | None:
    # Score and ceiling over the tasks on which likeness was measured, and no others.
    rows = averaged(having(tidy.units, column, "score"), tidy.axes)
    if len(rows) < 2:
        return None
    word, share, across = _KINDS[column]
    score = tidy.scale.name
    drawing = canvas(WIDTH, height(len(tidy.methods) + len(tidy.labels.get("teacher", ()))))
    axes = drawing.subplots()
    scatter(axes, tidy, rows, column, "score", lines=False)
    found = ceilings(axes, tidy, rows)
    percent_axis(axes.xaxis)
    tidy.scale.mark(axes.yaxis)
    axes.set_xlabel(f"{across} as the teacher" if "same" in across else across, color=INK)
    axes.set_ylabel(score, color=INK)
    axes.margins(0.07)
    if not tidy.scale.higher_is_better:
        axes.invert_yaxis()
    axes.grid()
    legend(drawing, axes)
    title = f"{score.capitalize()} against {word}"
    caption = f"A point is a cell: up its mean {score}, to the right the share of {share}."
    if found:
        several = len(found) > 1
        caption += (
            " Dashed lines are the teachers." if several else " The dashed line is the teacher."
        )
    columns = (
        Column("Cell", text=True),
        Column(score.capitalize()),
        Column(word.capitalize()),
        Column("Teacher"),
    )
    numbers = tuple(
        (
            cell_name(row, tidy.axes),
            tidy.scale.write(row["score"]),
            words.percent(row[column]),
            tidy.scale.write(row.get("teacher_score")),
        )
        for row in rows
    )
    picture = Picture(
        inline_svg(drawing, f"figure-{word}", title, caption),
        caption,
        Table(title, "", columns, numbers),
    )
    data = (*tidy.axes, "score", column, "teacher_score", "sft_score")
    return Figure(picture, of_rows(f"score-against-{word}", rows, data))
