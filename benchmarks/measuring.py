"""Time of calls in interleaved rounds, and peak memory of a call in a process of its own.

Machines are shared and clocks drift, so single times mean little. Calls that are compared take
turns in one process, and only ratios within a round are quoted: the median over rounds, with the
smallest and the largest in brackets.
"""

import ctypes
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from limbeck.divergences.chunks import keep_freed_memory

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


@dataclass
class Timing:
    """Seconds of one call, round by round; rounds that it sat out are missing at the end."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Ratio:
    """Paired ratios of two timings."""

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        if self.rounds == 1:
            return f"{self.median:.2f}"
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio(above: Timing, below: Timing) -> Ratio:
    """``above / below`` of the rounds that both took part in."""
    pairs = [a / b for a, b in zip(above.seconds, below.seconds, strict=False)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs), len(pairs))


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that ratios have."""
    return math.exp(sum(map(math.log, values)) / len(values))


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """What a call costs and what it returns.

    With one thread the clock is that of the process (user and system seconds), which other jobs
    on the machine hardly disturb; with several it is the wall's.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    gc.collect()
    start = clock()
    result = call()
    return clock() - start, result


def interleave(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int,
    fewer: Mapping[str, int] | None = None,
    first: Callable[[str, Any], None] = lambda name, result: None,
    before: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Let calls take turns.

    Args:
        calls: By name; warmed up already.
        rounds: How often each is called.
        fewer: Calls that sit out the rounds after so many.
        first: Called with name and result of each call of the first round, to check it. A result
            that nobody keeps is gone before the next call.
        before: Called with the name before each call, outside its time.
    """
    timings = {name: Timing() for name in calls}
    gc.collect()
    gc.freeze()  # or each collection between calls would walk over all that was ever imported
    try:
        for number in range(rounds):
            for name, call in calls.items():
                if number < (fewer or {}).get(name, rounds):
                    before(name)
                    spent, result = seconds(call)
                    timings[name].seconds.append(spent)
                    if number == 0:
                        first(name, result)
                    del result
    finally:
        gc.unfreeze()
    return timings


def can_measure_memory() -> bool:
    """Whether this kernel tells a process's peak memory and lets it be reset."""
    return CLEAR_REFS.exists() and "VmHWM" in STATUS.read_text(encoding="ascii")


def memory_rise(call: Callable[[], Any]) -> int:
    """Bytes by which a call raises the peak of resident memory, what it returns included.

    Memory that an earlier call has left with the C library is handed back first, so that a
    warm-up does not hide what the call needs.
    """
    gc.collect()
    _malloc_trim()
    CLEAR_REFS.write_text("5", encoding="ascii")  # the peak is what is resident now
    before = _peak()
    result = call()
    rise = _peak() - before
    del result
    return rise


def in_fresh_process(module: str, words: Sequence[str], threads: int) -> dict[str, Any]:
    """Run ``python -m MODULE WORDS...`` and read the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(words)}\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def allocator_as_usual() -> None:
    """Undo what Limbeck asks of the C library, so that other programs run as without it.

    Limbeck lets it keep freed memory. The thresholds here are the highest that glibc's own rule
    reaches, as it does when large blocks are freed, and so much freed memory is left at hand.
    Holes between blocks that are still in use stay with the process, to the others' advantage.
    """
    _mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
    _mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    _malloc_trim()
    _ = [torch.ones(7 * 2**20) for _ in range(2)]


def allocator_as_limbeck_has_it() -> None:
    """Set what Limbeck sets, and have some freed memory at hand, as after its first step."""
    keep_freed_memory.__wrapped__()
    torch.ones(2**26)


def _peak() -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def _mallopt(parameter: int, value: int) -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(parameter, value)


def _malloc_trim() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
