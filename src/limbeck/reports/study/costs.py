"""Cost against quality: which cells no other beats in both."""

from collections.abc import Sequence

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from limbeck.reports import words
from limbeck.reports.figures import WIDTH, Picture, wide
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .part import Part, part
from .plots import cell_name, height, legend, scatter
from .tidy import Row, Tidy, having

_COST = "train_seconds"
_UNITS = (("hours", 3600.0), ("minutes", 60.0))


def section(tidy: Tidy) -> Part | None:
    """The score of each cell over the time that its training took."""
    lead = (
        "Seconds are of the student's training alone, on the machine of the run; what runs share, "
        "such as the teacher's own training, is not in them."
    )
    return part("Cost and quality", lead, [_figure(tidy)])


def front(rows: Sequence[Row], higher_is_better: bool = True) -> list[Row]:
    """The rows that no other beats: none is as quick and better, or as good and quicker."""
    sign = 1 if higher_is_better else -1
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: (row[_COST], -sign * row["score"])):
        if not found or sign * row["score"] > sign * found[-1]["score"]:
            found.append(row)
    return found


@in_style
def _figure(tidy: Tidy) -> Figure | None:
    rows = [row for row in having(tidy.cells, _COST, "score") if row[_COST] > 0]
    if len(rows) < 2:
        return None
    best = front(rows, tidy.scale.higher_is_better)
    drawing = canvas(WIDTH, height(len(tidy.methods) + 1))
    axes = drawing.subplots()
    unit, size = _unit(rows)
    timed = [{**row, "time": row[_COST] / size} for row in rows]
    scatter(axes, tidy, timed, "time", "score", lines=False)
    axes.step(
        [row[_COST] / size for row in best],
        [row["score"] for row in best],
        where="post",
        color=INK,
        linewidth=1.2,
        linestyle="--",
        alpha=0.7,
        label="Pareto front",
    )
    for row in best:
        axes.plot(
            row[_COST] / size, row["score"], "o", color="none", markeredgecolor=INK, markersize=13
        )
    if wide([row["time"] for row in timed]):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    tidy.scale.mark(axes.yaxis)
    if not tidy.scale.higher_is_better:
        axes.invert_yaxis()
    axes.set_xlabel(f"training of the student, {unit}", color=INK)
    axes.set_ylabel(tidy.scale.name, color=INK)
    axes.margins(0.1)
    axes.grid()
    legend(drawing, axes)
    title = "Cost against quality"
    caption = "A point is a cell. Ringed and joined: no other is both as quick and better."
    columns = (
        Column("Cell", text=True),
        Column("Training"),
        Column("Score"),
        Column("On the front", text=True),
    )
    ordered = sorted(rows, key=lambda row: row[_COST])
    numbers = tuple(
        (
            cell_name(row, tidy.axes),
            words.duration(row[_COST]),
            tidy.scale.write(row["score"]),
            "yes" if row in best else "",
        )
        for row in ordered
    )
    picture = Picture(
        inline_svg(drawing, "figure-cost", title, caption),
        caption,
        Table(title, "", columns, numbers),
    )
    costs = (_COST, "wall_seconds", "tokens_generated", "peak_memory_bytes")
    return Figure(picture, of_rows("cost-against-quality", ordered, (*tidy.axes, "score", *costs)))


def _unit(rows: Sequence[Row]) -> tuple[str, float]:
    """What the times are written in: the largest unit that most of them reach."""
    middle = sorted(row[_COST] for row in rows)[len(rows) // 2]
    return next(((name, size) for name, size in _UNITS if middle >= size), ("seconds", 1.0))
