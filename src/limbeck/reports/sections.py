"""What each section of a report says: rows of text, the same for the page and for the terminal."""

from dataclasses import dataclass
from typing import Any

from . import words
from .facts import METRICS, Results, arms, estimate, label, measured, primary, score


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


@dataclass(frozen=True)
class Table:
    """A table of text, and one sentence on how to read it."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


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


def comparisons(results: Results) -> Table | None:
    """Paired tests of two arms, in the order of the file."""
    metrics = {metric.key: metric for metric in METRICS}
    rows = []
    for row in results.get("comparisons") or ():
        metric = metrics.get(row["metric"])
        if metric is None:  # written by a later version
            continue
        outcomes = row.get("n10") is not None and row.get("n01") is not None
        rows.append(
            (
                f"{label(results, row['a'])} vs {label(results, row['b'])}",
                f"{metric.write_difference(row['difference'])} {metric.unit}",
                words.span(row.get("low"), row.get("high"), metric.write_difference),
                words.p_value(row.get("p")),
                words.count(row.get("n")),
                f"{row['n10']} / {row['n01']}" if outcomes else words.DASH,
                str(row.get("test", words.DASH)),
            )
        )
    if not rows:
        return None
    columns = (
        Column("Pair", "First model minus second model.", text=True),
        Column("Difference", "Accuracy in percentage points, or bits per byte (lower is better)."),
        Column("95% interval", "Paired bootstrap over the test items."),
        Column("p", "How often a difference this large would appear if there were none."),
        Column("Items", "Test items that both models answered."),
        Column("Only first / second", "Items that only one of the two has right.", detail=True),
        Column("Test", "The paired test that gave p.", text=True, detail=True),
    )
    caption = "Paired tests on the same items. p of 0.05 or more is within noise."
    return Table("Comparisons", caption, columns, tuple(rows))


def fidelity(results: Results) -> Table | None:
    """How closely each arm follows the teacher's distribution."""
    followers = [arm for arm in arms(results) if arm in (results.get("fidelity") or {})]
    if not followers:
        return None
    metric = primary(results)
    rows, sources = [], set()
    for arm in followers:
        found = results["fidelity"][arm]
        agreement = found.get("top1_agreement") or {}
        forward, reverse = (
            found.get(k) or {} for k in ("kl_teacher_student", "kl_student_teacher")
        )
        sources.add(found.get("text"))
        rows.append(
            (
                label(results, arm),
                metric.write(score(results, arm, metric)) if metric else words.DASH,
                words.percent(agreement.get("value")),
                words.span(agreement.get("low"), agreement.get("high"), words.percent),
                words.decimal(forward.get("value")),
                words.span(forward.get("low"), forward.get("high"), words.decimal),
                words.decimal(reverse.get("value")),
                words.count(found.get("tokens")),
            )
        )
    columns = (
        MODEL,
        Column(metric.name if metric else "Score", "The score of the outcome, to read beside."),
        Column("Same top token", "Positions where model and teacher would choose the same token."),
        Column("95% interval", "Where the true agreement plausibly lies.", detail=True),
        Column(
            "KL(teacher, model)",
            "Nats per token; large where the model misses what the teacher does.",
        ),
        Column("95% interval", "Where the true divergence plausibly lies.", detail=True),
        Column(
            "KL(model, teacher)",
            "Nats per token; large where the model does what the teacher avoids.",
        ),
        Column("Tokens", "Positions of held-out text that were compared."),
    )
    whose = {"teacher": "the teacher's own", "data": "the data's"}
    on = " and ".join(whose[source] for source in sorted(filter(whose.get, sources))) or "some"
    caption = (
        f"Token by token on {on} held-out text. A model can be accurate without following its "
        "teacher, and the other way round."
    )
    return Table("Fidelity to the teacher", caption, columns, tuple(rows))


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
    return Table("Training", caption, columns, tuple(rows))


def _two(number: words.Number) -> str:
    return words.decimal(number, 2)
