"""The report of a study: a page, and its short form in the terminal, from results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.files import write_text

from .page import render_study
from .terminal import print_study

__all__ = ["print_study", "render_study", "write_study_report"]


def write_study_report(
    study: Mapping[str, Any], table: Mapping[str, Sequence[Any]], path: Path
) -> None:
    """Render the page of a study and write it whole: a reader finds the old page or the new one.

    Args:
        study: Name, axes, tested hypotheses, failed runs, command and file of the study.
        table: Its tidy table, one row for each run, task and seed, as columns.
        path: The HTML file to write.

    Raises:
        LimbeckError: The disk is full or not writable; an old page is untouched.
    """
    write_text(path, render_study(study, table))
