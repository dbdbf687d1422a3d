"""The teacher's path: which checkpoint each stage imitated, and why."""

from collections.abc import Mapping
from typing import Any

from matplotlib.patches import Rectangle

from . import words
from .facts import Results
from .figures import COLOURS, Picture
from .sections import Column, Table
from .svg import INK, canvas, in_style, inline_svg

CELL = 46


@in_style
def schedule(results: Results) -> Picture | None:
    """A column for each stage, a row for each checkpoint; the chosen one is framed.

    The darker a cell, the smaller KL(best || k) + KL(student || k) was before the stage.
    """
    stages = _stages(results)
    if not stages:
        return None
    names = stages[0]["checkpoints"]
    sums = [_sums(stage) for stage in stages]
    largest = max((v for column in sums for v in column if v is not None), default=0.0) or 1.0
    figure = canvas(110 + CELL * max(len(stages), 3), 70 + CELL * len(names) * 0.7)
    axes = figure.subplots()
    for x, (stage, column) in enumerate(zip(stages, sums, strict=True)):
        for y, value in enumerate(column):
            chosen = y == stage["checkpoint"]
            colour = COLOURS["student"] if chosen else COLOURS["teacher"]
            near = 0.08 if value is None else 0.08 + 0.5 * (1 - value / largest)
            box: dict[str, Any] = {"facecolor": colour, "alpha": near, "edgecolor": "none"}
            axes.add_patch(Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, **box))
            if chosen:
                frame: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": 2.5}
                axes.add_patch(Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, **frame))
            text = words.DASH if value is None else f"{value:.2g}"
            axes.text(x, y, text, ha="center", va="center", color=INK, fontsize=10)
    axes.set_xlim(-0.55, len(stages) - 0.45)
    axes.set_ylim(-0.55, len(names) - 0.45)
    axes.set_xticks(range(len(stages)), [f"stage {s['round'] + 1}" for s in stages])
    best = stages[0]["best"]
    axes.set_yticks(
        range(len(names)), [f"{n} (best)" if i == best else n for i, n in enumerate(names)]
    )
    title = "Which checkpoint of the teacher each stage imitated"
    caption = (
        "Framed: the chosen checkpoint. In each cell KL(best, checkpoint) + KL(student, checkpoint), "
        "nats a token, on probe rows before the stage; darker is nearer."
    )
    kept = results["training"]["student"].get("kept_round")
    if kept is not None:
        caption += f" The student after stage {kept + 1} was kept."
    return Picture(
        inline_svg(figure, "figure-path", title, caption), caption, _numbers(stages, title)
    )


def _numbers(stages: list[Mapping[str, Any]], title: str) -> Table:
    columns = (
        Column("Stage"),
        Column("Checkpoint", text=True),
        Column("KL(best, it)"),
        Column("KL(student, it)"),
        Column("Validation", "Nats a token of the validation text after the stage."),
    )
    rows = []
    for stage in stages:
        k = stage["checkpoint"]
        rows.append(
            (
                words.count(stage["round"] + 1),
                str(stage["checkpoints"][k]),
                words.decimal(stage["kl_from_best"][k]),
                words.decimal(stage["kl_from_student"][k]),
                words.decimal(stage["validation_nats_per_token"]),
            )
        )
    return Table(title, "", columns, tuple(rows))


def _stages(results: Results) -> list[Mapping[str, Any]]:
    rounds = ((results.get("training") or {}).get("student") or {}).get("rounds") or []
    return [r for r in rounds if "checkpoint" in r]


def _sums(stage: Mapping[str, Any]) -> list[float | None]:
    """None for a checkpoint that has diverged."""
    both = zip(stage["kl_from_best"], stage["kl_from_student"], strict=True)
    return [None if a is None or b is None else a + b for a, b in both]
