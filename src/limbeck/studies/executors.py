"""Where the runs of a study are done: one small protocol, and what happens to each run."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

State = Literal["waiting", "running", "done", "failed"]
TAIL = 20  # lines of a log that a message shows


@dataclass(frozen=True)
class Job:
    """One run to do.

    Attributes:
        id: Of the run.
        name: What it is, for people.
        recipe: Its recipe file.
        folder: Where it is done; ``results.json`` and ``report.html`` are there when it is.
        log: What it prints.
        shared: Where runs share what they have in common.
    """

    id: str
    name: str
    recipe: Path
    folder: Path
    log: Path
    shared: Path

    @property
    def done(self) -> bool:
        """Whether it has been done before."""
        return (self.folder / "results.json").exists() and (self.folder / "report.html").exists()

    def error(self) -> str:
        """The last lines that it printed."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return "\n".join(line for line in lines[-TAIL:] if line.strip()) or "it printed nothing"


Told = Callable[[Job, State], None]
"""Hears what becomes of a job."""


class Executor(Protocol):
    """Does jobs. A job that fails takes no other with it."""

    def run(self, jobs: Sequence[Job], told: Told) -> None:
        """Do all jobs, and tell of each when it runs, is done, or has failed.

        Raises:
            KeyboardInterrupt: The user stopped it; nothing is left running.
            LimbeckError: Nothing can be run here at all.
        """
        ...


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a closed terminal and SIGTERM stop a study as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signals = (signal.SIGTERM, signal.SIGHUP)
    # nohup has the closed terminal ignored.
    with _handled([s for s in signals if signal.getsignal(s) is not signal.SIG_IGN], stop):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nobody stop what ends the processes of a study."""
    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN):
        yield


@contextmanager
def _handled(signals: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, its in before.items():
            signal.signal(number, its)


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
