"""Public and own tasks beside the run's test set: each arm's score on each, and paired tests."""

from collections.abc import Mapping
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


def write(metric: str) -> Any:
    """How a figure of that name is written: shares as per cent, others as they are."""
    return words.percent if words.is_share(metric) else words.decimal


def _rows(results: Results, name: str, task: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    every = task.get("metrics") or {}
    shown_main = {main_score(task, arm)[0] for arm in every}
    for arm in (arm for arm in arms(results) if every.get(arm)):
        here = every[arm]
        main, _ = main_score(task, arm)
        rows.append(
            (
                name,
                label(results, arm),
                shown(here, main, write(main)),
                interval(here, main, write(main)),
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
        for _, arm_label, here in of_arms(results, every):
            if here.get(key):
                rows.append(
                    (
                        f"{name}, {key.replace('_', ' ')}",
                        arm_label,
                        shown(here, key, write(key)),
                        interval(here, key, write(key)),
                        *[words.DASH] * 5,
                    )
                )
    return rows
