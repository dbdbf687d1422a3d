"""Studies, for people: plan, findings, table, outcome."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.cli.show import STYLES
from limbeck.errors import RequestError
from limbeck.reports import words
from limbeck.studies.study import Done

if TYPE_CHECKING:
    from limbeck.doctor import Finding
    from limbeck.studies.estimate import Estimated

_MD_COLUMNS = (
    "cell",
    "seed",
    "task",
    "metric",
    "score",
    "improvement",
    "teacher_score",
    "agreement",
)


def show_study(done: Done) -> None:
    """Hypotheses and leaderboard, what failed, and where everything is."""
    from limbeck.reports.study import print_study

    out = Console(highlight=False)
    print_study(done.study, done.table.to_pydict(), out)
    places = {"report": done.report, "table": done.path / "results.parquet"}
    out.print("\n" + "\n".join(f"{n:<8} {p}" for n, p in places.items()), soft_wrap=True)


def show_plan(found: "Estimated") -> None:
    """How many runs, what they share, and what they take."""
    out = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Cell", "Runs", "Time of one", "Memory"):
        table.add_column(name, justify="left" if name == "Cell" else "right")
    for cell in found.cells:
        seconds, memory = words.duration(cell.seconds), words.memory(cell.memory_bytes)
        table.add_row(Text(cell.name), words.count(cell.runs), seconds, memory)
    out.print(table)
    for name, (made, used) in found.shared.items():
        out.print(f"{name}: made {words.count(made)} times, used by {words.count(used)} runs")
    out.print(
        f"\n{words.count(found.runs)} runs, {words.count(found.finished)} of them finished; the rest "
        f"takes about {words.duration(found.seconds)} in {found.processes} processes, "
        f"{words.memory(found.memory_bytes)} of memory and {words.memory(found.disk_bytes)} of disk",
        soft_wrap=True,
    )


def show_checked(findings: Sequence[tuple[str, "Finding"]]) -> None:
    """What the doctor found that is not in order, by cell."""
    out = Console(highlight=False)
    cells = dict.fromkeys(cell for cell, _ in findings)
    bad = [(cell, f) for cell, f in findings if f.status in ("fail", "warn")]
    for cell, f in bad:
        out.print(
            Text(f"{f.status}  {cell}: {f.check}: {f.what}", STYLES[f.status]), soft_wrap=True
        )
        if f.mend:
            out.print(Text(f"      mend: {f.mend}", "green"), soft_wrap=True)
    fails = len({cell for cell, f in bad if f.status == "fail"})
    out.print(f"{len(cells)} cells checked, {len(cells) - fails} ready")


def show_table(folder: Path, form: str) -> None:
    """A study's table on standard output.

    Raises:
        RequestError: There is none, or no such form.
    """
    import pyarrow.csv

    from limbeck.studies.study import table_of

    path = folder / "results.parquet"
    table = table_of(folder)
    if form == "parquet":
        print(path)
    elif form == "csv":
        pyarrow.csv.write_csv(table, sys.stdout.buffer)
    elif form == "md":
        names = [n for n in _MD_COLUMNS if n in table.column_names]
        print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
        for row in table.select(names).to_pylist():
            cells = [
                f"{v:.4g}" if isinstance(v, float) else "" if v is None else str(v)
                for v in row.values()
            ]
            print("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    else:
        raise RequestError(
            f"there is no form {form!r}", where="--format", mend="csv, md or parquet"
        )
