"""Published statistics of each task, as our tests find them: for studies that were imported."""

from typing import Any

from limbeck.reports import words
from limbeck.reports.sections import Column, Table

from .download import Download
from .part import Listing, Part
from .tidy import Study, is_number

_TESTS = {
    "gain": ("Gain, t", "One-sample t of the gains over fine-tuning; p is one-sided."),
    "methods": ("Methods, F", "One-way analysis of variance of the gains by method."),
    "size": (
        "Size, \N{GREEK SMALL LETTER RHO}",
        "Spearman, gain with the student's size; p one-sided.",
    ),
    "baseline": (
        "SFT, \N{GREEK SMALL LETTER RHO}",
        "Spearman, gain with the fine-tuned student's score.",
    ),
    "teacher": ("Teacher, \N{GREEK SMALL LETTER RHO}", "Spearman, gain with the teacher's score."),
    "agreement": ("Agreement, \N{GREEK SMALL LETTER RHO}", "Spearman, gain with the same answers."),
    "similarity": (
        "Similarity, \N{GREEK SMALL LETTER RHO}",
        "Spearman, gain with the likeness of the explanations.",
    ),
}


def section(study: Study) -> Part | None:
    """A row a task; none where the study has no such statistics."""
    found = study.get("by_task") or ()
    if not found:
        return None
    there = [name for name in _TESTS if any(is_number(row.get(name)) for row in found)]
    columns = [Column("Task", text=True), Column("Cells", "Students, teachers and methods.")]
    for name in there:
        columns += [Column(_TESTS[name][0], _TESTS[name][1]), Column("p")]
    rows = tuple(
        (
            f"{row['task']} ({row['domain']})",
            words.count(row["cells"]),
            *(cell for name in there for cell in _cells(row, name)),
        )
        for row in found
    )
    names = ("domain", "task", "cells", *(n for name in there for n in (name, f"{name}_p")))
    raw = tuple(tuple(row.get(name) for name in names) for row in found)
    lead = (
        "The published tests of each task: every cell at its best temperature on the test rows, cells "
        "counted as independent, nothing corrected."
    )
    table = Table("By task, as published", "", tuple(columns), rows)
    return Part("By task", lead, (), (Listing(table, Download("by-task", names, raw)),))


def _cells(row: dict[str, Any], name: str) -> tuple[str, str]:
    if not is_number(row.get(name)):
        return words.DASH, words.DASH
    return words.decimal(row[name], 2), words.p_value(row[f"{name}_p"]).removeprefix("p ").lstrip(
        "= "
    )
