"""Reports: the page, the terminal tables and the verdict of one run, made from its results alone."""

from pathlib import Path

from limbeck.files import write_text

from .facts import Results
from .html import render
from .table import print_report
from .verdict import verdict

__all__ = ["print_report", "render", "verdict", "write_report"]


def write_report(results: Results, path: Path) -> None:
    """Render the page of a run and write it whole: a reader finds the old page or the new one.

    Args:
        results: The contents of ``results.json``.
        path: The HTML file to write.

    Raises:
        LimbeckError: The disk is full or not writable; an old page is untouched.
    """
    write_text(path, render(results))
