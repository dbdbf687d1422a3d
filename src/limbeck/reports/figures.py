"""The figures of a report: each an SVG with its numbers beside it, a colour for each arm."""

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from . import words
from .facts import Metric, Results, arms, contrast, estimate, label, score
from .sections import MODEL, Column, Table
from .svg import INK, canvas, in_style, inline_svg

# Readable on white and on black, and apart for readers who see fewer colours: those of Okabe and
# Ito, then olive, violet, pale green and magenta, as far from them and from one another as there is.
COLOURS = {
    "teacher": "#0072B2",
    "before": "#808080",
    "sft": "#009E73",
    "student": "#D55E00",
    "control_gold": "#CC79A7",
    "control_labelled": "#56B4E9",
    "one_shot": "#E69F00",
    "control_longer": "#606000",
    "control_resample": "#7830D8",
    "control_blind": "#8BBF8B",
    "control_shuffled": "#A81878",
}
WIDTH = 380  # CSS pixels: a phone shows it nearly full size, a desk enlarges it a little


@dataclass(frozen=True)
class Picture:
    """A drawing, what to see in it, and its numbers for those who cannot."""

    svg: str
    caption: str
    numbers: Table


@in_style
def scores(results: Results, metric: Metric) -> Picture | None:
    """Score of each arm with its interval, one row an arm."""
    rows = [(arm, found) for arm in arms(results) if (found := estimate(results, arm, metric.key))]
    if not rows:
        return None
    better = "right" if metric.higher_is_better else "left"
    caption = f"{metric.name} with its 95% interval; further {better} is better."
    title = f"{metric.name} of each model"
    return _dots(results, rows, metric.key, title, caption, metric.write)


@in_style
def paired_outcomes(results: Results, metric: Metric) -> Picture | None:
    """On how many items student and SFT are both right, only one is, or neither."""
    over = contrast(results, "student", "sft", metric)
    right = score(results, "student", metric)
    if metric.key != "accuracy" or over is None or right is None or not over.n:
        return None
    if over.n10 is None or over.n01 is None:
        return None
    both = round(right * over.n) - over.n10
    neither = over.n - both - over.n10 - over.n01
    student, sft = label(results, "student"), label(results, "sft")
    parts = (
        ("Both right", both, INK),
        (f"Only {student} right", over.n10, COLOURS["student"]),
        (f"Only {sft} right", over.n01, COLOURS["sft"]),
        ("Both wrong", neither, INK),
    )
    if min(number for _, number, _ in parts) < 0:  # the score and the test are of different items
        return None
    figure = canvas(WIDTH, 34 * len(parts))
    axes = figure.subplots()
    for row, (_, number, colour) in enumerate(parts):
        axes.barh(row, number, height=0.5, color=colour, alpha=0.35 if colour == INK else 1)
        text = f"{words.count(number)}  ({words.percent(number / over.n)})"
        axes.annotate(text, (number, row), (6, 0), textcoords="offset points", va="center")
    _rows(axes, [name for name, _, _ in parts])
    axes.set_xlim(0, 1.3 * max(number for _, number, _ in parts))
    axes.set_xticks([])
    title = f"{student} and {sft}, item by item"
    caption = (
        f"The same {words.count(over.n)} items; only the two coloured bars speak for or against."
    )
    columns = (Column("Outcome", text=True), Column("Items"))
    rows = tuple((name, words.count(number)) for name, number, _ in parts)
    return Picture(
        inline_svg(figure, "figure-pairs", title, caption),
        caption,
        Table(title, caption, columns, rows),
    )


def _dots(
    results: Results,
    rows: list[tuple[str, Any]],
    key: str,
    title: str,
    caption: str,
    write: Callable[[words.Number], str],
) -> Picture:
    """A dot and its interval for each arm, with its value written above it."""
    figure = canvas(WIDTH, 34 + 34 * len(rows))
    axes = figure.subplots()
    percent = write(1.0).endswith("%")
    if not percent and wide([found["value"] for _, found in rows]):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
        caption += " Logarithmic scale."
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    for row, (arm, found) in enumerate(rows):
        colour, value = COLOURS.get(arm, INK), found["value"]
        low, high = found.get("low", value), found.get("high", value)
        axes.plot(
            (low, high), (row, row), color=colour, linewidth=3, solid_capstyle="round", alpha=0.55
        )
        axes.plot(value, row, "o", color=colour, markersize=8)
        axes.annotate(
            write(value),
            (value, row),
            (0, 8),
            textcoords="offset points",
            ha="center",
            weight="bold" if arm == "student" else "normal",
        )
    _rows(axes, [label(results, arm) for arm, _ in rows])
    axes.margins(x=0.09)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{100 * x:g}%" if percent else f"{x:g}")
    )
    svg = inline_svg(figure, f"figure-{key.replace('_', '-')}", title, caption)
    return Picture(svg, caption, _estimates(results, title, rows, write))


def _rows(axes: Axes, names: list[str]) -> None:
    """Name the rows, from the top; two lines a name leave room for the drawing."""
    short = ["\n".join(wrap(name, 18, max_lines=2, placeholder=" …")) for name in names]
    axes.set_yticks(range(len(names)), short)
    axes.set_ylim(len(names) - 0.5, -0.75)


def wide(values: list[float]) -> bool:
    """Whether positive numbers differ so much that only a logarithmic scale shows them all."""
    return min(values) > 0 and max(values) > 10 * min(values)


def _estimates(results: Results, title: str, rows: list, write: Any) -> Table:
    columns = (MODEL, Column("Value"), Column("95% interval"), Column("n"))
    return Table(
        title,
        "",
        columns,
        tuple(
            (
                label(results, arm),
                write(found["value"]),
                words.span(found.get("low"), found.get("high"), write),
                words.count(found.get("n")),
            )
            for arm, found in rows
        ),
    )
