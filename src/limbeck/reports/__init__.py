"""Reports: page, terminal tables and verdict of one run, made from its results alone."""

import os
import tempfile
from pathlib import Path

from .facts import Results
from .html import render
from .table import print_report
from .verdict import verdict

__all__ = ["print_report", "render", "verdict", "write_report"]


def write_report(results: Results, path: str | os.PathLike[str]) -> None:
    """Render the page of a run and write it whole: a reader finds the old page or the new one.

    Args:
        results: The contents of ``results.json``.
        path: The HTML file to write; its folder must exist.
    """
    target = Path(path)
    page = render(results)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        # A model can emit half a surrogate pair, which UTF-8 has no bytes for.
        with open(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(page)
        os.chmod(name, 0o644)  # mkstemp's 0600 would keep colleagues from opening a shared report
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
