"""Open tasks, whose answers a judge compared in pairs: win rates, and what they are worth."""

from collections.abc import Mapping
from typing import Any

from . import words
from .audit.reading import interval, shown
from .facts import Results, label
from .sections import Column, Table


def table(results: Results) -> Table | None:
    """A row for each open task and judge that saw every item, further judges below it."""
    rows = []
    for name, task in (results.get("tasks") or {}).items():
        judged = task.get("judged")
        if judged and judged.get("figures"):
            rows.append(_row(results, name, judged))
            rows += [_second(name, other) for other in judged.get("agreement") or ()]
    if not rows:
        return None
    columns = (
        Column("Task", "The open task.", text=True),
        Column("Pair", "The first model's wins over the second are counted.", text=True),
        Column("Judge", "Who compared, each pair in both orders.", text=True),
        Column("Win rate", "Mean preference for the first model: a win 1, a tie one half."),
        Column("95% interval", "Bootstrap over prompts."),
        Column("Same length", "Win rate where both answers are about as long (within 10%)."),
        Column(
            "Contradicts",
            "Items of which one order prefers one model, and the other order the other.",
            detail=True,
        ),
        Column("First wins", "How much more often than half the answer shown first wins."),
        Column("Longer wins", "Preference for the longer answer.", detail=True),
        Column("Agrees", "Items of a sample on which a further judge says the same.", detail=True),
        Column("Items", "Items with a verdict in both orders.", detail=True),
    )
    caption = "Answers that have no right or wrong, compared by a judge; it has tastes of its own."
    return Table("Before a judge", caption, columns, tuple(rows)).without_empty()


def _row(results: Results, name: str, judged: Mapping[str, Any]) -> tuple[str, ...]:
    found = judged["figures"]
    a, b = (label(results, arm) for arm in judged["names"])
    bias = found.get("position_bias") or {}
    return (
        name,
        f"{a} vs {b}",
        str(judged["judges"][0].get("model")),
        shown(found, "win_rate", words.percent),
        interval(found, "win_rate", words.percent),
        shown(found, "length_matched", words.percent),
        shown(found, "inconsistency_rate", words.percent),
        words.signed(None if bias.get("value") is None else 100 * bias["value"], 1),
        shown(found, "longer_preferred", words.percent),
        words.DASH,
        words.count(found.get("n")),
    )


def _second(name: str, other: Mapping[str, Any]) -> tuple[str, ...]:
    found = other.get("figures") or {}
    agrees = shown(found, "same", words.percent)
    return (
        name,
        "",
        str(other.get("judge")),
        *[words.DASH] * 6,
        agrees,
        words.count(found.get("n")),
    )
