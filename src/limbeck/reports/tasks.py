"""Public and own tasks beside the run's test set: each arm's score on each, and paired tests."""

from collections.abc import Callable, Mapping
from typing import Any

from . import judges, words
from .audit.reading import interval, of_arms, shown
from .comparisons import compared
from .facts import Results, arms, label
from .section import Section
from .sections import MODEL, Column, Table

_RATES = ("invalid_rate", "truncation_rate", "context_cut_rate")


def section(results: Results) -> Section | None:
    """One row for each task and arm, further figures below, and the comparisons."""
    tasks = results.get("tasks") or {}
    rows = [row for name, task in tasks.items() for row in _rows(results, name, task)]
    if not rows:
        return None
    columns = (
        Column("Task", "The task, and of several figures which one.", text=True),
        MODEL,
        Column("Score", "The figure that the task is known by, or the one that is named."),
        Column("95% interval", "Where the true score plausibly lies."),
        Column("No answer", "Outputs without an answer that could be read."),
        Column("Cut off", "Outputs that reached the length limit."),
        Column("Items", "Items of the task, the same for each model.", detail=True),
        Column("Shots", "Worked examples before each question.", detail=True),
        Column("Data", "Where the items are from.", text=True, detail=True),
    )
    lead = "Tasks beside the test set of the run; greedy answers unless a task samples."
    tables = [Table("Tasks", lead, columns, tuple(rows)).without_empty()]
    tests = [
        (f"{name}: ", row) for name, task in tasks.items() for row in task.get("comparisons") or ()
    ]
    more = (compared(results, "Comparisons on the tasks", tests), judges.table(results))
    return Section("Tasks", lead, (*tables, *(table for table in more if table is not None)))


def main_score(task: Mapping[str, Any], arm: str) -> tuple[str, Mapping[str, Any] | None]:
    """Name and value of the figure that a task is known by."""
    found = (task.get("metrics") or {}).get(arm) or {}
    name = task.get("main") or "accuracy"
    if not found.get(name):
        name = "accuracy"
    score, accuracy = found.get(name), found.get("accuracy")
    if score and accuracy and score.get("value") == accuracy.get("value"):
        name = "accuracy"  # the name that everybody knows it by
    return name, score if score and words.known(score.get("value")) else None


def write(task: Mapping[str, Any], metric: str) -> Callable[[words.Number], str]:
    """How a figure of a task is written: shares as per cent, others as they are.

    The harness and a user's own task bring figures of any name, BLEU or a length: what is above 1
    is no share.
    """
    values = [_value(here, metric) for here in (task.get("metrics") or {}).values()]
    shares = all(value is None or 0 <= value <= 1 for value in values)
    return words.percent if words.is_share(metric) and shares else words.decimal


def is_open(task: Mapping[str, Any]) -> bool:
    """Whether nothing is right or wrong there: what is counted is no score."""
    return task.get("kind") == "open"


def _value(found: Mapping[str, Any], metric: str) -> float | None:
    return (found.get(metric) or {}).get("value")


def _rows(results: Results, name: str, task: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    every = task.get("metrics") or {}
    shown_main = {main_score(task, arm)[0] for arm in every}
    for arm in (arm for arm in arms(results) if every.get(arm)):
        here = every[arm]
        main, _ = main_score(task, arm)
        rows.append(
            (
                f"{name}, {_words(main)}" if is_open(task) else name,
                label(results, arm),
                shown(here, main, write(task, main)),
                interval(here, main, write(task, main)),
                shown(here, "invalid_rate", words.percent),
                shown(here, "truncation_rate", words.percent),
                words.count(task.get("n")),
                words.count(task.get("shots")),
                str(task.get("source") or words.DASH),
            )
        )
    others = dict.fromkeys(key for here in every.values() for key in here)
    for key in others:
        if key in _RATES or key in shown_main or key == "accuracy":
            continue
        if all(_value(here, key) == _value(here, "accuracy") for here in every.values()):
            continue  # the same under another name
        for _, arm_label, here in of_arms(results, every):
            if here.get(key):
                rows.append(
                    (
                        f"{name}, {_words(key)}",
                        arm_label,
                        shown(here, key, write(task, key)),
                        interval(here, key, write(task, key)),
                        *[words.DASH] * 5,
                    )
                )
    return rows


def _words(metric: str) -> str:
    return {"mean_length": "characters"}.get(metric, metric.replace("_", " "))
