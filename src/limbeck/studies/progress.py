"""The runs of a study as they go: a table that moves in a terminal, lines anywhere else."""

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import get_args

from rich.live import Live
from rich.table import Table
from rich.text import Text

from limbeck.console import console, say
from limbeck.reports import words
from limbeck.studies.executors import Job, State

_SHOWN = 12  # rows of a table that fits a terminal
_MARKS = {"waiting": "", "running": "cyan", "done": "green", "failed": "bold red"}


class Watched:
    """Hears what becomes of jobs, and shows it.

    Args:
        jobs: All of the study, those that were finished before as well.
    """

    def __init__(self, jobs: Sequence[Job]):
        self.jobs = jobs
        self.states: dict[str, State] = {job.id: "done" if job.done else "waiting" for job in jobs}
        self.began: dict[str, float] = {}
        self.took: dict[str, float] = {}
        moving = console.is_terminal and not console.quiet
        self._live = (
            Live(get_renderable=self.table, console=console, refresh_per_second=2)
            if moving
            else None
        )

    def __enter__(self) -> "Watched":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, job: Job, state: State) -> None:
        """Something became of a job."""
        self.states[job.id] = state
        if state == "running":
            self.began[job.id] = time.monotonic()
            return
        self.took[job.id] = time.monotonic() - self.began.get(job.id, time.monotonic())
        counts = Counter(self.states.values())
        line = f"{counts['done'] + counts['failed']}/{len(self.jobs)} {state}: {job.name}"
        say(f"{line} ({words.duration(self.took[job.id])})")
        if state == "failed":
            say(f"the end of {job.log}:\n{job.error()}")

    def table(self) -> Table:
        """Those that run, then the last that ended and the next to come."""
        counts = Counter(self.states.values())
        title = ", ".join(f"{counts[s]} {s}" for s in get_args(State) if counts[s])
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for name in ("Run", "State", "Time"):
            table.add_column(name, justify="right" if name == "Time" else "left", no_wrap=True)
        rank = {"running": 0, "failed": 1, "waiting": 2, "done": 3}
        for job in sorted(self.jobs, key=lambda j: rank[self.states[j.id]])[:_SHOWN]:
            state = self.states[job.id]
            seconds = self.took.get(job.id)
            if state == "running":
                seconds = time.monotonic() - self.began[job.id]
            shown = "" if seconds is None else words.duration(seconds)
            table.add_row(Text(job.name), Text(state, _MARKS[state]), shown)
        return table
