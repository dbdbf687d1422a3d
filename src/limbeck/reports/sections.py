"""What each section of a report says: rows of text, the same for the page and for the terminal."""

from dataclasses import dataclass, replace
from typing import Any

from . import words
from .facts import Results, arms, estimate, label, measured, primary


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        meaning: One sentence that explains the number.
        text: Whether it holds words (aligned left) instead of numbers.
        detail: Whether only the page, not a terminal of 80 columns, has room for it.
    """

    name: str
    meaning: str = ""
    text: bool = False
    detail: bool = False

    @property
    def is_interval(self) -> bool:
        """Whether it is the interval of the column before it."""
        return self.name == "95% interval"


@dataclass(frozen=True)
class Table:
    """A table of text, and one sentence on how to read it.

    Attributes:
        title: Its heading.
        caption: How to read it.
        columns: What stands in the rows.
        rows: Texts, one for each column.
        detail: Whether only the page, not a terminal, shows it.
    """

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    detail: bool = False

    @property
    def wide(self) -> bool:
        """Whether a page has no room for intervals beside their numbers, only below them."""
        return len(self.columns) > 9

    def without_empty(self) -> "Table":
        """The table without columns of nothing but dashes; the first column stays."""
        kept = [
            i
            for i in range(len(self.columns))
            if i == 0 or any(row[i] != words.DASH for row in self.rows)
        ]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=tuple(tuple(row[i] for i in kept) for row in self.rows),
        )


MODEL = Column("Model", "The arm of the run.", text=True)


def outcome(results: Results) -> Table:
    """Scores of each arm on the test items."""
    metrics, scores = measured(results), results["evaluation"].get("metrics", {})
    columns = [MODEL, Column("Size", "Parameters of the model.", detail=True)]
    for metric in metrics:
        columns.append(Column(metric.name, metric.explanation))
        meaning = f"Where the true {metric.name.lower()} plausibly lies."
        columns.append(Column("95% interval", meaning, detail=metric != primary(results)))
    extras = [
        (key, Column(name, meaning, detail=key == "perplexity"), write)
        for key, name, meaning, write in (
            (
                "perplexity",
                "Perplexity",
                "Surprise per token of the gold text; lower is better.",
                _two,
            ),
            (
                "invalid",
                "No answer",
                "Outputs without an answer that could be read.",
                words.percent,
            ),
            ("truncated", "Cut off", "Outputs that reached the length limit.", words.percent),
        )
        if any(words.known(arm.get(key)) for arm in scores.values())
    ]
    rows = []
    for arm in arms(results):
        row = [label(results, arm), words.parameters(results["models"][arm].get("parameters"))]
        for metric in metrics:
            found = estimate(results, arm, metric.key) or {}
            row.append(metric.write(found.get("value")))
            row.append(words.span(found.get("low"), found.get("high"), metric.write))
        row += [write(scores.get(arm, {}).get(key)) for key, _, write in extras]
        rows.append(tuple(row))
    caption = (
        f"Every model on the same {words.count(results['evaluation'].get('items'))} test items."
    )
    return Table("Outcome", caption, (*columns, *(column for _, column, _ in extras)), tuple(rows))


def training(results: Results) -> Table | None:
    """What each arm was trained on and for how long."""
    trained: dict[str, Any] = results.get("training") or {}
    rows = []
    for arm in (arm for arm in arms(results) if arm in trained):
        run = trained[arm]
        losses = [
            point["loss"] for point in run.get("curve") or () if words.known(point.get("loss"))
        ]
        evals = [
            p["eval_loss"] for p in run.get("eval_curve") or () if words.known(p.get("eval_loss"))
        ]
        rows.append(
            (
                label(results, arm),
                words.count(run.get("steps")),
                words.count(run.get("sequences")),
                words.count(run.get("supervised_tokens")),
                words.duration(run.get("seconds")),
                words.decimal(losses[-1] if losses else None),
                words.decimal(evals[-1] if evals else None),
            )
        )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Steps", "Optimiser steps."),
        Column("Sequences", "Training sequences seen, repeats included.", detail=True),
        Column("Tokens", "Supervised tokens: those that the loss was computed on."),
        Column("Time", "Wall-clock time of the training alone."),
        Column("Last loss", "Training loss in nats per token at the last logged step."),
        Column("Eval loss", "Validation loss in nats per token at the end."),
    )
    caption = "Losses of different methods measure different things; compare shapes, not heights."
    return Table("Training", caption, columns, tuple(rows), detail=True)


def _two(number: words.Number) -> str:
    return words.decimal(number, 2)
