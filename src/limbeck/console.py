"""What a user sees while work goes on: bars with rates and time left, on standard error."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[..., None]

console = Console(stderr=True, highlight=False)


@contextlib.contextmanager
def progress(what: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
    """Show how far some work is.

    On a terminal this is a bar; elsewhere (a log file) a line every 30 seconds.

    Args:
        what: The work, in a few words.
        total: How many units it has.
        unit: Their name, in the plural.
        done: How many were done before.

    Yields:
        ``advance(count, note="")``: so many more are done; the note stands behind the bar.
    """
    if console.quiet:
        yield lambda count=1, note="": None
    elif console.is_terminal:
        columns: list[ProgressColumn] = [
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim"),
        ]
        with Progress(*columns, console=console) as bars:
            task = bars.add_task(what, total=total, completed=done, note="")
            yield lambda count=1, note="": bars.update(task, advance=count, note=note)
    else:
        with _log_lines(what, total, unit, done) as advance:
            yield advance


def say(text: str) -> None:
    """One line on standard error."""
    console.print(text)


class _Rate(ProgressColumn):
    """Units a second."""

    def __init__(self, unit: str):
        self.unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self.unit}/s" if speed else "", style="cyan")


@contextlib.contextmanager
def _log_lines(what: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    began = last = time.monotonic()
    first = done

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last < 30:
            return
        last = now
        rate = (done - first) / (now - began)
        left = (total - done) / rate if rate else 0
        say(
            f"{what}: {done}/{total} {unit}, {rate:.1f} {unit}/s, {left:.0f} s left  {note}".rstrip()
        )

    yield advance
    took = time.monotonic() - began
    if done > first:
        say(f"{what}: {done}/{total} {unit} in {took:.0f} s")
