"""Where the time and the memory of a training step go; measured only when somebody asks."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

PARTS = ("data", "generation", "teacher", "student", "loss", "backward", "optimiser")
REST = "optimiser"  # with clipping, schedule and book-keeping: what no other part of a step claims

_current: ContextVar["Profile | None"] = ContextVar("profile", default=None)


@dataclass(frozen=True)
class Part:
    """One part of the mean step.

    Attributes:
        name: One of `PARTS`.
        seconds: Of wall time a step, without the parts inside it.
        share: Of the step.
        peak_bytes: Most memory in use while it ran: allocated on the accelerator, or resident in
            main memory; 0 where the system does not tell.
    """

    name: str
    seconds: float
    share: float
    peak_bytes: int


class Profile:
    """Collects spans while it is the current one: ``with Profile() as profile: train()``.

    The first of several steps is left out of the times: it pays for allocations and caches of all.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._seconds: dict[str, float] = defaultdict(float)
        self._peaks: dict[str, int] = defaultdict(int)
        self._open: list[str] = []
        self._since = 0.0
        self._memory = _memory()

    def __enter__(self) -> "Profile":
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)

    def parts(self) -> list[Part]:
        """The mean step; empty if there was none."""
        total = sum(self._seconds.values())
        timed = max(1, self.steps - 1)
        return [
            Part(n, self._seconds[n] / timed, self._seconds[n] / total, self._peaks[n])
            for n in PARTS
            if self._seconds.get(n) and total
        ]

    def begin_step(self) -> None:
        """A step begins; what no span claims is `REST`."""
        self._mark()
        self._open = [REST]
        if self.steps == 1:
            self._seconds.clear()

    def end_step(self) -> None:
        """The step is done; until the next begins (evaluation, checkpoints) nothing counts."""
        self._mark()
        self._open = []
        self.steps += 1

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Some work of a step."""
        if not self._open:
            yield
            return
        self._mark()
        self._open.append(name)
        try:
            yield
        finally:
            self._mark()
            self._open.pop()

    def _mark(self) -> None:
        """What has passed since the last mark belongs to the innermost open span."""
        peak = self._memory.peak()
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self._seconds[name] += now - self._since
            self._peaks[name] = max(self._peaks[name], peak)
        self._since = time.perf_counter()


def span(name: str) -> contextlib.AbstractContextManager[None]:
    """Mark some work; costs nothing unless a `Profile` is current."""
    profile = _current.get()
    return contextlib.nullcontext() if profile is None else profile.span(name)


def begin_step() -> None:
    """See `Profile.begin_step`."""
    if profile := _current.get():
        profile.begin_step()


def end_step() -> None:
    """See `Profile.end_step`."""
    if profile := _current.get():
        profile.end_step()


def forgotten_peak() -> int:
    """The most main memory that any profile has seen: each look resets what the system remembers."""
    return _MainMemory.largest


class _MainMemory:
    """Resident memory of this process, as Linux counts it."""

    largest = 0  # of all that this class has made Linux forget

    def peak(self) -> int:
        """The most since the last call."""
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        except OSError:
            return 0
        line = next((x for x in status.splitlines() if x.startswith("VmHWM")), "VmHWM: 0 kB")
        peak = int(line.split()[1]) * 1024
        _MainMemory.largest = max(_MainMemory.largest, peak)
        return peak


class _Accelerator:
    """Memory that PyTorch has allocated on the current accelerator."""

    def peak(self) -> int:
        """The most since the last call, after waiting for the device."""
        import torch

        torch.accelerator.synchronize()
        peak = int(torch.accelerator.max_memory_allocated())
        torch.accelerator.reset_peak_memory_stats()
        return peak


def _memory() -> _MainMemory | _Accelerator:
    import torch

    return _Accelerator() if torch.accelerator.is_available() else _MainMemory()
