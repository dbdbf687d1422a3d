"""Training curves: a panel for each arm, because losses of different methods do not compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from . import words
from .facts import Results, arms, label
from .figures import COLOURS, Picture, wide
from .sections import Column, Table
from .svg import INK, canvas, in_style, inline_svg

WIDTH, HEIGHT = 300, 190
POINTS = 150  # more would not be seen in a small panel, and would weigh on the page
LISTED = 10
_DASHES = ("--", ":", "-.")
_NOT_TERMS = {"step", "loss", "learning_rate"}


@in_style
def training_curves(results: Results) -> list[Picture]:
    """Loss over optimiser steps, a panel for each arm: total, its terms, validation points."""
    trained = results.get("training") or {}
    pictures = []
    for arm in arms(results):
        run = trained.get(arm) or {}
        if len(_series(run.get("curve") or (), "loss")) > 1:
            pictures.append(_panel(run, arm, label(results, arm)))
    return pictures


def _panel(run: Mapping[str, Any], arm: str, name: str) -> Picture:
    curve, colour = run["curve"], COLOURS.get(arm, INK)
    terms = _terms(run)
    terms = terms if len(terms) > 1 else []  # a single term is the loss itself
    total, evals = _series(curve, "loss"), _series(run.get("eval_curve") or (), "eval_loss")
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.subplots()
    axes.plot(*zip(*_thinned(total), strict=True), color=colour, linewidth=2, label="loss")
    for i, term in enumerate(terms):
        line, dash = _thinned(_series(curve, term)), _DASHES[i % len(_DASHES)]
        if line:
            axes.plot(
                *zip(*line, strict=True),
                color=colour,
                linewidth=1.2,
                linestyle=dash,
                label=_words(term),
            )
    if evals:
        axes.plot(
            *zip(*evals, strict=True),
            "o",
            color=INK,
            markersize=4.5,
            alpha=0.75,
            label="validation",
        )
    if wide([loss for _, loss in (*total, *evals)]):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid()
    if terms or evals:
        axes.legend()
    title = f"Training loss: {name}"
    first, last = (f"{loss:.3g} at step {step:,}" for step, loss in (total[0], total[-1]))
    caption = f"Nats per token over optimiser steps: from {first} to {last}."
    figure_name = f"figure-training-{arm.replace('_', '-')}"
    return Picture(
        inline_svg(figure, figure_name, title, caption), caption, _listed(curve, terms, title)
    )


@in_style
def moved(results: Results) -> list[Picture]:
    """What else changed while the student trained: schedules, acceptance, weights."""
    run = (results.get("training") or {}).get("student") or {}
    terms = {*_terms(run), "step", "loss", "learning_rate"}
    curve = run.get("curve") or ()
    keys = dict.fromkeys(key for point in curve for key in point if key not in terms)
    lines = {key: _series(curve, key) for key in keys}
    return [_line(key, line) for key, line in lines.items() if _changes(line)]


def _changes(line: list[tuple[int, float]]) -> bool:
    """Whether a line is more than a number and its rounding."""
    values = [value for _, value in line]
    return bool(values) and max(values) - min(values) > 1e-5 * max(abs(v) for v in values)


def _line(key: str, line: list[tuple[int, float]]) -> Picture:
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.subplots()
    axes.plot(*zip(*_thinned(line), strict=True), color=COLOURS["student"], linewidth=2)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid()
    title = f"While the student trained: {_words(key)}"
    first, last = (f"{value:.3g} at step {step:,}" for step, value in (line[0], line[-1]))
    caption = f"{_words(key).capitalize()} over optimiser steps: from {first} to {last}."
    rows = tuple((words.count(s), words.decimal(v)) for s, v in _thinned(line, LISTED))
    table = Table(title, "", (Column("Step"), Column(_words(key))), rows)
    name = f"figure-moved-{key.replace('_', '-')}"
    return Picture(inline_svg(figure, name, title, caption), caption, table)


def _terms(run: Mapping[str, Any]) -> list[str]:
    """The names of the terms of a training's loss."""
    curve = run.get("curve") or ()
    every = dict.fromkeys(key for point in curve for key in point if key not in _NOT_TERMS)
    known = run.get("terms")
    return [key for key in every if known is None or key in known]


def _series(points: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    """Steps and values, without those that were not logged or are not finite."""
    return [(point["step"], point[key]) for point in points if words.known(point.get(key))]


def _thinned(line: list[tuple[int, float]], most: int = POINTS) -> list[tuple[int, float]]:
    """Evenly spaced points of a line; the last one always stays."""
    stride = -(-len(line) // most)
    kept = line[::stride] if line else []
    return kept if not line or kept[-1] == line[-1] else [*kept, line[-1]]


def _listed(curve: Sequence[Mapping[str, Any]], terms: list[str], title: str) -> Table:
    keys = ["loss", *terms]
    columns = (Column("Step"), *(Column(_words(key)) for key in keys))
    at = {step for step, _ in _thinned(_series(curve, "loss"), LISTED)}
    rows = tuple(
        (words.count(point["step"]), *(words.decimal(point.get(key)) for key in keys))
        for point in curve
        if point["step"] in at
    )
    return Table(title, "", columns, rows)


def _words(key: str) -> str:
    return key.replace("_", " ")
