"""Two drawings of a run with rounds: accuracy after each, and the mix of errors that is left."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import words
from .facts import Results, arms, label
from .figures import COLOURS, WIDTH, Picture
from .rounds import RIGHT, kept, played, tag_name
from .sections import MODEL, Column, Table
from .svg import INK, canvas, in_style, inline_svg

# One colour a tag in every report. What the teacher could not name, and no error, are ink.
TAG_COLOURS = {
    "misread": "#0072B2",
    "wrong_method": "#D55E00",
    "arithmetic": "#E69F00",
    "missing_step": "#56B4E9",
    "incoherent": "#606000",
    "format": "#CC79A7",
    "truncated": "#7830D8",
    "lucky": "#009E73",
}
MOST_NAMES = 8  # of rounds below a drawing
_MARKERS = ("s", "^", "D", "v", "P", "X")  # apart without colour, too
_GAP = 0.004  # of the whole bar, so that neighbours have an edge on any background


@in_style
def accuracy(results: Results) -> Picture | None:
    """Accuracy of the student after each round, the controls beside it, the kept round ringed."""
    if not played(results):
        return None
    names = ["student", *(a for a in arms(results) if a != "student" and played(results, a))]
    figure = canvas(WIDTH, 250 + (20 * len(names) if len(names) > 1 else 0))
    axes = figure.subplots()
    for place, arm in reversed(list(enumerate(names))):  # the student on top
        side = 1 if place % 2 else -1
        _line(axes, results, arm, place, 0.08 * side * ((place + 1) // 2))
    _shares(axes)
    _name_rounds(axes, results)
    caption = "Accuracy on the selection set after each round, with its 95% interval."
    if any(r["round"] == kept(results) for r in played(results)):
        caption += " The ring marks the student that was kept."
    if len(names) > 1:
        caption += " Points of one round stand side by side only to be seen."
        figure.legend(*_upwards(axes), loc="outside lower center", ncols=2, fontsize="medium")
    title = "Accuracy after each round"
    svg = inline_svg(figure, "figure-rounds-accuracy", title, caption)
    return Picture(svg, caption, _accuracies(results, names, title))


def _line(axes: Axes, results: Results, arm: str, place: int, shift: float) -> None:
    mine, colour = arm == "student", COLOURS.get(arm, INK)
    rounds = played(results, arm)
    xs = [r["round"] + shift for r in rounds]
    scores = [r["selection"] for r in rounds]
    ys = [score["value"] for score in scores]
    for x, score in zip(xs, scores, strict=True):
        low, high = score.get("low"), score.get("high")
        if words.known(low) and words.known(high):
            axes.plot(
                (x, x),
                (low, high),
                color=colour,
                linewidth=3 if mine else 1.5,
                solid_capstyle="round",
                alpha=0.55,
            )
    axes.plot(
        xs,
        ys,
        color=colour,
        linewidth=2.5 if mine else 1.1,
        marker="o" if mine else _MARKERS[(place - 1) % len(_MARKERS)],
        markersize=8 if mine else 5,
        label=_short(label(results, arm)),
    )
    if not mine:
        return
    for x, this in zip(xs, rounds, strict=True):
        if this["round"] == kept(results):
            axes.plot(
                x,
                this["selection"]["value"],
                "o",
                markersize=15,
                markeredgewidth=1.6,
                markerfacecolor="none",
                markeredgecolor=INK,
            )


@in_style
def errors(results: Results) -> Picture | None:
    """Share of each error tag among the student's attempts at the diagnosis set, a bar a round."""
    rounds = [r for r in played(results) if sum((r.get("tags") or {}).values())]
    if not rounds:
        return None
    tags = _in_order(rounds)
    figure = canvas(WIDTH, 300)
    axes = figure.subplots()
    for this in rounds:
        bottom, total = 0.0, sum(this["tags"].values())
        for tag in tags:
            share = this["tags"].get(tag, 0) / total
            colour = TAG_COLOURS.get(tag, INK)
            axes.bar(
                this["round"],
                max(share - _GAP, 0),
                bottom=bottom,
                width=0.62,
                color=colour,
                alpha=0.18 if tag == RIGHT else 0.5 if colour == INK else 1,
                label=_short(tag_name(tag)),
            )
            bottom += share
    axes.set_ylim(0, 1)
    _shares(axes)
    _name_rounds(axes, results)
    figure.legend(*_upwards(axes), loc="outside right center", fontsize="medium")
    title = "What was wrong in the student's attempts"
    caption = f"Shares of the attempts at the diagnosis set after each round.{_moved(rounds, tags)}"
    svg = inline_svg(figure, "figure-rounds-errors", title, caption)
    return Picture(svg, caption, _counts(rounds, tags, title))


def _in_order(rounds: list[Mapping[str, Any]]) -> list[str]:
    """The tags that occur, from the bottom of the bar: right, lucky, then the errors."""
    found = {tag for this in rounds for tag, number in this["tags"].items() if number}
    known = [RIGHT, *reversed(TAG_COLOURS)]
    return [tag for tag in known if tag in found] + sorted(found.difference(known))


def _moved(rounds: list[Mapping[str, Any]], tags: list[str]) -> str:
    """How right answers and the error that gave way most moved from the first to the last bar."""
    if len(rounds) < 2:
        return ""
    first, last = (
        {t: this["tags"].get(t, 0) / sum(this["tags"].values()) for t in tags}
        for this in (rounds[0], rounds[-1])
    )
    ends = f"from round {rounds[0]['round']} to round {rounds[-1]['round']}"
    parts = []
    if RIGHT in tags:
        parts.append(
            f"{ends} right answers went from {words.percent(first[RIGHT])} to "
            f"{words.percent(last[RIGHT])}"
        )
    fallen = max((t for t in tags if t != RIGHT), key=lambda t: first[t] - last[t], default=None)
    if fallen is not None and first[fallen] > last[fallen]:
        parts.append(
            f"{tag_name(fallen)} fell most, from {words.percent(first[fallen])} to "
            f"{words.percent(last[fallen])}"
        )
    text = "; ".join(parts)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def _name_rounds(axes: Axes, results: Results) -> None:
    numbers, chosen = [r["round"] for r in played(results)], kept(results)
    apart = -(-len(numbers) // MOST_NAMES)
    clear = [n for n in numbers[::apart] if chosen is None or abs(n - chosen) >= apart]
    named = sorted({*clear, *(n for n in numbers if n == chosen)})
    axes.set_xticks(named, [f"{n}\nkept" if n == chosen else str(n) for n in named])
    axes.set_xlim(min(numbers) - 0.5, max(numbers) + 0.5)
    axes.set_xlabel("round", color=INK)


def _shares(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}%"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _short(name: str) -> str:
    return "\n".join(wrap(name, 18, max_lines=2, placeholder=" …"))


def _upwards(axes: Axes) -> tuple[list[Any], list[str]]:
    """Legend entries, each name once, last drawn first: a stack is read from its top."""
    handles, names = axes.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    return list(once.values())[::-1], list(once)[::-1]


def _accuracies(results: Results, names: list[str], title: str) -> Table:
    columns = (MODEL, Column("Round"), Column("Accuracy"), Column("95% interval"), Column("n"))
    rows = []
    for arm in names:
        for this in played(results, arm):
            score = this["selection"]
            rows.append(
                (
                    label(results, arm),
                    words.count(this["round"]),
                    words.percent(score["value"]),
                    words.span(score.get("low"), score.get("high"), words.percent),
                    words.count(score.get("n")),
                )
            )
    return Table(title, "", columns, tuple(rows))


def _counts(rounds: list[Mapping[str, Any]], tags: list[str], title: str) -> Table:
    columns = (Column("Tag", text=True), *(Column(f"Round {r['round']}") for r in rounds))
    rows = tuple(
        (tag_name(tag), *(_of(r["tags"].get(tag, 0), r["tags"]) for r in rounds))
        for tag in reversed(tags)
    )
    return Table(title, "", columns, rows)


def _of(number: int, tags: Mapping[str, int]) -> str:
    return f"{words.count(number)} ({words.percent(number / sum(tags.values()))})"
