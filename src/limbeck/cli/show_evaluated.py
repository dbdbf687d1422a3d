"""What ``limbeck eval`` found, for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.reports import words

_ALWAYS = ("accuracy", "invalid_rate", "empty_rate", "truncation_rate", "context_cut_rate")


def show_evaluated(results: Mapping[str, Any], folder: Path) -> None:
    """A row for each task and model, differences and verdicts below, and where everything is."""
    out = Console(highlight=False)
    tasks = results["tasks"]
    out.print(_scores(tasks, several=len(results["models"]) > 1))
    for table in (_differences(tasks), _verdicts(tasks)):
        if table.row_count:
            out.print("", table)
    places = "TASK.parquet" if len(results["models"]) == 1 else "MODEL/TASK.parquet"
    out.print(f"\nnumbers  {folder / 'eval.json'}\nitems    {folder}/{places}", soft_wrap=True)


def show_again(folder: Path, as_json: bool) -> None:
    """What ``limbeck eval`` left in a folder, as tables or as it stands."""
    text = (folder / "eval.json").read_text(encoding="utf-8")
    if as_json:
        print(text, end="")
    else:
        show_evaluated(json.loads(text), folder)


def _scores(tasks: Mapping[str, Any], several: bool) -> Table:
    columns = ("Task", *(["Model"] if several else []), "Items", "Accuracy", "95% interval")
    table = _table(*columns, "No answer", "Cut off", text=2 if several else 1)
    for name, found in tasks.items():
        for model, figures in found["metrics"].items():
            accuracy = figures.get("accuracy")  # of an open task, only a judge can say
            unread = figures.get("invalid_rate") or figures.get("empty_rate")
            who = [model] if several else []
            table.add_row(
                *map(Text, (name, *who)),
                words.count(found["n"]),
                words.percent(accuracy["value"]) if accuracy else "",
                words.span(accuracy["low"], accuracy["high"], words.percent) if accuracy else "",
                words.percent(unread["value"]) if unread else "",
                words.percent((figures.get("truncation_rate") or {}).get("value")),
            )
            for other, figure in figures.items():
                shown_above = (
                    accuracy is not None
                    and other == found["main"]
                    and figure is not None
                    and figure["value"] == accuracy["value"]
                )
                if other not in _ALWAYS and not shown_above and figure is not None:
                    shown = words.decimal(figure["value"])
                    interval = words.span(figure["low"], figure["high"], words.decimal)
                    table.add_row(f"  {other}", *([""] if several else []), "", shown, interval)
    return table


def _differences(tasks: Mapping[str, Any]) -> Table:
    table = _table("Task", "Pair", "Difference", "95% interval", "p", "Corrected p", text=2)
    for name, found in tasks.items():
        for row in found["comparisons"]:
            interval = words.span(row["low"], row["high"], _points)
            pair = Text(f"{row['a']} vs {row['b']}")
            ps = words.p_value(row["p"]), words.p_value(row["p_corrected"])
            table.add_row(Text(name), pair, _points(row["difference"]), interval, *ps)
    return table


def _verdicts(tasks: Mapping[str, Any]) -> Table:
    table = _table(
        "Task", "Judge", "Wins of", "Win rate", "95% interval", "Length-matched", "Bias", text=3
    )
    for name, found in tasks.items():
        judged = found.get("judged")
        if judged is None or judged["figures"] is None:
            continue
        figures, who = judged["figures"], Text(judged["names"][0])
        rate, matched, bias = (
            figures.get(key) or {} for key in ("win_rate", "length_matched", "position_bias")
        )
        table.add_row(
            Text(name),
            Text(str(judged["judges"][0]["model"])),
            who,
            words.percent(rate.get("value")),
            words.span(rate.get("low"), rate.get("high"), words.percent),
            words.percent(matched.get("value")),
            _points(bias.get("value")),
        )
    return table


def _points(value: words.Number) -> str:
    return words.signed(None if value is None else 100 * value, 1)


def _table(*columns: str, text: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < text else "right")
    return table
