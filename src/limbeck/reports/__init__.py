"""Reports: the page, the terminal tables, the verdict and the model card, from results alone."""

from collections.abc import Sequence
from pathlib import Path

from limbeck.files import write_text

from .browser import Item
from .card import model_card, write_model_card
from .facts import Results
from .html import render
from .table import print_report
from .verdict import verdict

__all__ = [
    "model_card",
    "print_report",
    "render",
    "verdict",
    "write_model_card",
    "write_report",
]


def write_report(results: Results, path: Path, items: Sequence[Item] = ()) -> None:
    """Render the page of a run and write it whole: a reader finds the old page or the new one.

    Args:
        results: The contents of ``results.json``.
        path: The HTML file to write.
        items: Test items with every model's output, for the page's browser.

    Raises:
        LimbeckError: The disk is full or not writable; an old page is untouched.
    """
    write_text(path, render(results, items))
