"""The report of a run in the terminal: the same rows as the page, in 80 columns, colour or not."""

from textwrap import fill

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from . import audit, rounds, sections, tasks
from .comparisons import comparisons
from .facts import Results, label
from .verdict import verdict


def print_report(results: Results, console: Console) -> None:
    """Print outcome, comparisons, tasks, rounds and what matters most of the audit, then the verdict.

    Args:
        results: The contents of ``results.json``; sections that are missing are left out.
        console: Where to print.
    """
    student, left = label(results, "student"), []
    for table in (
        sections.outcome(results),
        comparisons(results),
        *_tables(tasks.section(results)),
        rounds.table(results),
        *(table for section in audit.sections(results) for table in section.tables),
        sections.training(results),
    ):
        if table is not None and table.detail:
            left.append(table.title.lower())
        elif table is not None:
            _print(table, student, console)
    if left:
        console.print(Text(f"In the report besides: {'; '.join(left)}", style="dim"))
    for why in audit.not_measured(results):
        console.print(Text(f"Not measured: {why}", style="dim"))
    console.print(Text(str(results.get("verdict") or verdict(results)), style="bold"))


def _tables(section: audit.Section | None) -> tuple[sections.Table, ...]:
    return section.tables if section else ()


def _print(table: sections.Table, student: str, console: Console) -> None:
    # Text, not str: a name such as "[red]" is a name and no markup.
    shown = RichTable(
        box=box.SIMPLE_HEAD, title=Text(table.title), title_justify="left", pad_edge=False
    )
    kept = [i for i, column in enumerate(table.columns) if not column.detail]
    for i in kept:
        column = table.columns[i]
        if column.text:
            shown.add_column(Text(column.name))
            continue
        # Numbers never break; their heading breaks to their width.
        width = max(9, *(len(row[i]) for row in table.rows))
        shown.add_column(
            Text(fill(column.name, width, break_long_words=False)), justify="right", no_wrap=True
        )
    for row in table.rows:
        style = "bold" if row[0] == student else ""
        shown.add_row(*(Text(row[i]) for i in kept), style=style)
    console.print(shown)
