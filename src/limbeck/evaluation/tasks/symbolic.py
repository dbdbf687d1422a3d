"""Whether two answers are the same mathematics, as SymPy sees it: asked in another process.

Simplifying what a model wrote can take forever, or all memory. So a process is kept that does
nothing else; a question that takes too long ends it, and the next one starts another.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from limbeck.evaluation.tasks.latex import Tree, tree_of
from limbeck.evaluation.tasks.maths import same_answer

SECONDS = 5.0
_START_SECONDS = 120.0  # SymPy takes a second or two to import, on a busy machine far longer
_WORKER = Path(__file__).with_name("symbolic_worker.py")


def same_or_equivalent(found: str, gold: str) -> float:
    """1 where both answers have the same normal form or are equal as mathematics."""
    return float(same_answer(found, gold) == 1 or equivalent(found, gold) is True)


@lru_cache(maxsize=4096)
def equivalent(found: str, gold: str, seconds: float = SECONDS) -> bool | None:
    """Whether two answers in LaTeX are equal as mathematics.

    Numbers and expressions are equal where their difference is 0, several answers in any order,
    intervals and points end by end, equations up to a factor.

    Args:
        found: The answer of a model; it is read, never evaluated as code.
        gold: The right one.
        seconds: How long SymPy may think.

    Returns:
        None where one of them is not mathematics that is known here, or time ran out.
    """
    trees = tree_of(found), tree_of(gold)
    if trees[0] is None or trees[1] is None:
        return None
    return _KEPT.ask(trees[0], trees[1], seconds)


class _Kept:
    """The process, started when it is first needed, and again after it was ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, first: Tree, second: Tree, seconds: float) -> bool | None:
        with self._lock:
            # A forked child must not write into its parent's pipes.
            foreign = self._owner != os.getpid()
            if self._process is None or foreign or self._process.poll() is not None:
                self._process, self._owner = self._start(), os.getpid()
            if self._process is None:
                return None
            line = json.dumps([first, second, seconds])
            answer = _exchange(self._process, line, seconds)
            if answer is None:
                self._end()
            return answer

    def _start(self) -> subprocess.Popen[str] | None:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # It says so itself when it has imported SymPy; without SymPy it ends.
        return process if _exchange(process, None, _START_SECONDS) else None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        with self._lock:
            if self._owner == os.getpid():
                self._end()


def _exchange(process: subprocess.Popen[str], line: str | None, seconds: float) -> bool | None:
    """The answer to a line; None where the process was ended for it, or ended by itself."""
    assert process.stdin is not None and process.stdout is not None
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    try:
        if line is not None:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    except OSError:
        return None
    finally:
        watch.cancel()
    return json.loads(answer) if answer.endswith("\n") else None


_KEPT = _Kept()
atexit.register(_KEPT.close)
