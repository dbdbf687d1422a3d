"""What refined data did for other students: a matrix, from ``transfer.json`` alone."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import words

READING = (
    "A row is a student, a column the data that a teacher wrote for a student (its own in bold): "
    "points of accuracy that the refined solutions give more than the first ones, with 95 % "
    "interval, and the two accuracies in percent. Above zero beside the diagonal: what was refined "
    "for one student helped another. On the diagonal alone: it helps the one that it was made for."
)
_ARROW = "\N{RIGHTWARDS ARROW}"

Found = dict[str, Any]


def markdown(found: Found) -> str:
    """The matrix as a page, with what is needed to judge it.

    Args:
        found: The contents of ``transfer.json``.
    """
    names = [s["name"] for s in found["students"]]
    head = ["trained student", *(f"data of {n}" for n in names)]
    rows = [head, ["---"] * len(head)]
    for name in names:
        cells = [
            " ".join(cell(c)) if not c["own"] else f"**{' '.join(cell(c))}**"
            for c in _row(found, name)
        ]
        rows.append([name, *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    listed = "\n".join(f"- {line}" for line in about(found))
    return f"# Transfer of refined data\n\n{READING}\n\n{table}\n\n{listed}\n"


def print_matrix(found: Found, console: Console) -> None:
    """The same in the terminal.

    Args:
        found: The contents of ``transfer.json``.
        console: Where to print.
    """
    shown = Table(box=box.SIMPLE_HEAD, title="Transfer of refined data", title_justify="left")
    shown.add_column("trained student")
    names = [s["name"] for s in found["students"]]
    for name in names:
        shown.add_column(Text(f"data of {name}"), justify="right", no_wrap=True)
    for name in names:
        cells = (
            Text("\n".join(cell(c)), style="bold" if c["own"] else "") for c in _row(found, name)
        )
        shown.add_row(Text(name), *cells)
    console.print(shown)
    console.print(Text("\n".join(about(found))))
    console.print(Text(f"\n{READING}", style="dim"))


def cell(entry: Found) -> tuple[str, str]:
    """Gain with interval, and both accuracies: ``+3.1 [+0.2, +6.0]``, ``(40.0 -> 43.1)``."""
    gain, low, high = (
        words.signed(100 * entry["delta"][key], 1) for key in ("difference", "low", "high")
    )
    before, after = (
        words.decimal(100 * entry[side]["accuracy"]["value"], 1) for side in ("first", "refined")
    )
    return f"{gain} [{low}, {high}]", f"({before} {_ARROW} {after})"


def about(found: Found) -> list[str]:
    """Which problems and which rounds, a line each."""
    rows = found["rows"]
    long = f" ({rows['too_long']:,} more are too long for a student)" if rows["too_long"] else ""
    lines = [
        f"{rows['matched']:,} problems, which have a solution in all tables{long}; "
        f"{rows['test']:,} test rows; nothing is corrected for the number of cells"
    ]
    for s in found["students"]:
        had = rows["had"][s["name"]]
        kept = (
            "whose student was kept" if s["kept_round"] else "the last (the first student was kept)"
        )
        lines.append(
            f"{s['name']} ({s['source']}, {words.parameters(s['parameters'])} parameters): "
            f"{had['first']:,} first solutions, {had['refined']:,} of round {s['refined_round']}, "
            f"{kept}; {s['run']}"
        )
    return lines


def _row(found: Found, trained: str) -> list[Found]:
    return [c for c in found["cells"] if c["trained"] == trained]
