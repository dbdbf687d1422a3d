"""What ``limbeck eval`` found, for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from limbeck.reports import words

_ALWAYS = ("accuracy", "invalid_rate", "truncation_rate", "context_cut_rate")


def show_evaluated(results: Mapping[str, Any], folder: Path) -> None:
    """A row for each task, further figures below it, and where everything is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Task", "Items", "Accuracy", "95% interval", "No answer", "Cut off"):
        table.add_column(name, justify="left" if name == "Task" else "right")
    for name, found in results["tasks"].items():
        figures = found["metrics"]
        accuracy = figures["accuracy"]
        table.add_row(
            name,
            words.count(found["n"]),
            words.percent(accuracy["value"]),
            words.span(accuracy["low"], accuracy["high"], words.percent),
            words.percent(figures["invalid_rate"]["value"]),
            words.percent(figures["truncation_rate"]["value"]),
        )
        for other, figure in figures.items():
            if other not in _ALWAYS and other != found["main"] and figure is not None:
                shown = words.decimal(figure["value"])
                interval = words.span(figure["low"], figure["high"], words.decimal)
                table.add_row(f"  {other}", "", shown, interval)
    out = Console(highlight=False)
    out.print(table)
    out.print(f"\nnumbers  {folder / 'eval.json'}\nitems    {folder}/TASK.parquet", soft_wrap=True)
