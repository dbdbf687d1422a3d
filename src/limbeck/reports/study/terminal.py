"""A study in the terminal: claims and leaderboard, in 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import hypotheses
from .leaderboard import Leaderboard
from .tidy import Study, read

_PLAIN = ("Effect", "Corrected", "Test")  # facts that need no name
_STYLES = {"supported": "green", "refuted": "red", "undecided": "yellow"}


def print_study(study: Study, table: Mapping[str, Sequence[Any]], console: Console) -> None:
    """Print what became of each claim, the leaderboard, what failed, and the verdict.

    Args:
        study: As for the page.
        table: As for the page.
        console: Where to print.
    """
    tidy = read(study, table)
    if hypotheses.declared(study):
        console.print(_claims(hypotheses.cards(study, tidy.scale)))
    for change in study.get("changes") or ():
        console.print(Text(change, style="yellow"))
    listing = Leaderboard(tidy).listing()
    if listing:
        console.print(_leaderboard(listing.table))
    for run in study.get("failed") or ():
        console.print(Text(f"failed: {run.get('cell')}, seed {run.get('seed')}", style="red"))
    console.print(Text(" ".join(filter(None, hypotheses.verdict(study))), style="bold"))


def _claims(cards: Sequence[hypotheses.Card]) -> Table:
    shown = Table(box=None, title=Text("Hypotheses"), title_justify="left", pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for card in cards:
        style = _STYLES.get(card.state, "")
        facts = "; ".join(
            f"{text}" if name in _PLAIN else f"{name} {text}" for name, text in card.facts
        )
        lines = [facts, card.needed, card.note]
        shown.add_row(
            Text(f"{card.sign} {card.state}", style=style),
            Text(f"{card.number}. {card.claim}", style="bold"),
        )
        for line in filter(None, lines):
            shown.add_row("", Text(line, style="dim"))
    return shown


def _leaderboard(found: Any) -> Table:
    shown = Table(
        box=box.SIMPLE_HEAD, title=Text(found.title), title_justify="left", pad_edge=False
    )
    kept = [place for place, column in enumerate(found.columns) if not column.detail]
    for place in kept:
        column = found.columns[place]
        number = not column.text
        shown.add_column(Text(column.name), justify="right" if number else "left", no_wrap=number)
    for row in found.rows:
        shown.add_row(*(Text(row[place]) for place in kept))
    return shown
