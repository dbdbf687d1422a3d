"""Programs that models wrote, run against their tests, each once."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from limbeck.console import progress
from limbeck.evaluation.sandbox import Limits, Outcome, isolation, run_many
from limbeck.evaluation.tasks import Item
from limbeck.evaluation.tasks.programs import Attempt, Programs
from limbeck.files import Journal, digest
from limbeck.run.tasks.asked import Asked

_TAIL = 2000  # characters of standard error that are kept: a traceback stands at its end


def tried(
    asked: Asked, outputs: Sequence[Sequence[tuple[str, bool]]], folder: Path, *, unsafe: bool
) -> list[list[Attempt]]:
    """Read programs out of what a model wrote, and run them.

    The same program to the same problem runs once. Verdicts are kept as they come, so that
    interrupted work goes on where it was.

    Args:
        asked: The task.
        outputs: To each item, texts, each with whether the model was cut off.
        folder: ``TASK.verdicts.jsonl`` has the verdicts.
        unsafe: Run them without a sandbox where this machine has none.

    Raises:
        RequestError: This machine has no sandbox, and ``unsafe`` is not set.
    """
    programs = asked.task.programs
    assert programs is not None
    read = [
        [(text, cut, *programs.read(item.gold, text, chat=asked.chat)) for text, cut in several]
        for item, several in zip(asked.items, outputs, strict=True)
    ]
    wanted = {
        _name(item, program): (item, program)
        for item, several in zip(asked.items, read, strict=True)
        for _, _, program, _ in several
    }
    verdicts = _verdicts(asked.task.name, programs, wanted, folder, unsafe)
    return [
        [
            Attempt(text, program, cut and not ended, **verdicts[_name(item, program)])
            for text, cut, program, ended in several
        ]
        for item, several in zip(asked.items, read, strict=True)
    ]


def _verdicts(
    name: str,
    programs: Programs,
    wanted: Mapping[str, tuple[Item, str]],
    folder: Path,
    unsafe: bool,
) -> dict[str, dict[str, Any]]:
    """How each program ended, by its name: ``status``, ``stderr`` and ``seconds``."""
    way = isolation(unsafe=unsafe)
    key = digest(asdict(Limits()), way, sys.version_info[:3])
    journal, lock = Journal(folder / f"{name}.verdicts.jsonl", key), Lock()
    known = {entry.pop("program"): entry for entry in journal.entries}
    missing = {program: job for program, job in wanted.items() if program not in known}

    def judge(program: str, item: Item, source: str) -> Outcome:
        done = programs.run(item.gold, source, unsafe=unsafe)
        found = {"status": done.status, "stderr": done.stderr[-_TAIL:], "seconds": done.seconds}
        with lock:
            journal.append([{"program": program, **found}])
            known[program] = found
            advance()
        return done

    done = len(wanted) - len(missing)
    with (
        closing(journal),
        progress(f"programs, {name}", len(wanted), "programs", done=done) as advance,
    ):
        run_many([partial(judge, program, *job) for program, job in missing.items()])
    return known


def _name(item: Item, program: str) -> str:
    """The program with what judges it."""
    return digest(sorted(item.gold.items()), program)
