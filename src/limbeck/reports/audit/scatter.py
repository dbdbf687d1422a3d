"""Accuracy against fidelity: good and like the teacher are two things."""

from typing import Any

from limbeck.reports import words
from limbeck.reports.facts import Results, estimate, label, primary
from limbeck.reports.figures import COLOURS, WIDTH, Picture
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import legend, percent_axis
from .reading import ends, number, of_arms, part
from .tokens import main_text

KINDS = ("tokens", "answers")
_MARKERS = {"before": "v", "sft": "^", "student": "o", "one_shot": "P"}


def section(results: Results) -> Section | None:
    """A point for each arm: its score over its agreement with the teacher."""
    if not any(_points(results, kind) for kind in KINDS):
        return None
    lead = (
        "Up is better, right is more like the teacher. Points that climb without moving right "
        "learn the task; points that move right without climbing imitate."
    )
    return Section(
        "Accuracy against fidelity", lead, (), lambda: [scatter(results, kind) for kind in KINDS]
    )


@in_style
def scatter(results: Results, kind: str) -> Picture | None:
    """The score of each arm over its agreement with the teacher in next tokens or in answers."""
    metric, points = primary(results), _points(results, kind)
    if metric is None or not points:
        return None
    figure = canvas(WIDTH, 300)
    axes = figure.subplots()
    for arm, name, near, score in points:
        colour, x, y = COLOURS.get(arm, INK), near["x"]["value"], score["value"]
        for limits, across in ((ends(near, "x"), True), (ends({"y": score}, "y"), False)):
            if limits:
                line = (limits, (y, y)) if across else ((x, x), limits)
                axes.plot(*line, color=colour, linewidth=2, alpha=0.4)
        axes.plot(
            x, y, _MARKERS.get(arm, "s"), color=colour, markersize=9, linestyle="none", label=name
        )
    ceiling = estimate(results, "teacher", metric.key)
    if ceiling:
        axes.axhline(
            ceiling["value"],
            color=COLOURS["teacher"],
            linestyle="--",
            linewidth=1.5,
            label=label(results, "teacher"),
        )
    of = "Same top token" if kind == "tokens" else "Same answer"
    axes.set_xlabel(f"{of.lower()} as the teacher", color=INK)
    axes.set_ylabel(metric.name.lower(), color=INK)
    percent_axis(axes.xaxis)
    if metric.higher_is_better:
        percent_axis(axes.yaxis)
    else:
        axes.invert_yaxis()
    axes.margins(0.08)
    axes.grid()
    legend(figure, axes)
    title = f"{metric.name} and {of.lower()}"
    of_what = "positions" if kind == "tokens" else "items"
    caption = (
        f"{metric.name} over the share of {of_what} with the {of.lower()} as the teacher, with 95% "
        "intervals. The dashed line is the teacher."
    )
    columns = (MODEL, Column(metric.name), Column(of))
    rows = tuple(
        (name, metric.write(score["value"]), words.percent(number(near, "x")))
        for _, name, near, score in points
    )
    svg = inline_svg(figure, f"figure-accuracy-{kind}", title, caption)
    return Picture(svg, caption, Table(title, "", columns, rows))


def _points(results: Results, kind: str) -> list[tuple[str, str, dict[str, Any], Any]]:
    """Arm, label, agreement and score; nothing where there are not two points to compare."""
    metric = primary(results)
    if metric is None:
        return []
    points = [
        (arm, name, near, score)
        for arm, name, near in _nearness(results, kind)
        if (score := estimate(results, arm, metric.key)) is not None
    ]
    return points if len(points) > 1 else []


def _nearness(results: Results, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Arm, label and agreement with the teacher; the same text for all arms."""
    if kind == "answers":
        every = of_arms(results, part(results, "agreement"))
        near = [(arm, name, {"x": here.get("same")}) for arm, name, here in every]
    else:
        tokens = part(results, "tokens")
        text = main_text(tokens) or ""
        near = [
            (arm, name, {"x": (texts.get(text) or {}).get("top1")})
            for arm, name, texts in of_arms(results, tokens)
        ]
    return [(arm, name, x) for arm, name, x in near if number(x, "x") is not None]
