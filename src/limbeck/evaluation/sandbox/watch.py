"""Reading what guests write, and when to stop them."""

import json
import os
import selectors
import time
from collections.abc import Sequence
from typing import Any

from limbeck.evaluation.sandbox.guests import Guest
from limbeck.evaluation.sandbox.limits import Limits, Status

# Seconds: how often memory is added up; how long a program may take to end once it has hung up.
_LOOK, _GRACE = 0.2, 1.0


class Watch:
    """Reads what a program and its tests write until one of them settles the matter.

    Args:
        guests: The program, then the tests.
        verdict: The pipe on which the tests' side gives its word.
        limits: When to stop.
        deadline: The same for wall time, on the monotonic clock.
    """

    def __init__(self, guests: Sequence[Guest], verdict: int, limits: Limits, deadline: float):
        self._program, self._tests = guests
        self._verdict, self._limits, self._deadline = verdict, limits, deadline
        self._kinds = {verdict: "verdict"}
        for guest in guests:
            assert guest.process.stdout is not None and guest.process.stderr is not None
            self._kinds[guest.process.stdout.fileno()] = "stdout"
            self._kinds[guest.process.stderr.fileno()] = "stderr"
            self._kinds[guest.status] = "status"
        self._read = {descriptor: bytearray() for descriptor in self._kinds}
        self._open = set(self._kinds)
        self._selector = selectors.DefaultSelector()
        for descriptor in self._kinds:
            self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self) -> Status | None:
        """Until the matter is settled; a status where a limit stopped the run before."""
        look = time.monotonic() + _LOOK
        hung_up = None
        while True:
            now = time.monotonic()
            if now >= self._deadline:
                return "timeout"
            if now >= look:
                if max(self._program.memory(), self._tests.memory()) > self._limits.memory:
                    return "memory"
                look = time.monotonic() + _LOOK
            self._once(max(0.0, min(look, self._deadline) - time.monotonic()))
            if self._printed() > self._limits.output:
                return "output"
            found = self.said(self._verdict)
            if found and found["status"] != "gone":
                return None
            if found or self._verdict not in self._open:
                # One of them has hung up: how it ends says why, if it does end.
                side = self._program if found else self._tests
                hung_up = hung_up or time.monotonic()
                ended = self.lost(side) or "signal" in self.said(side.status)
                if ended or time.monotonic() > hung_up + _GRACE:
                    return None

    def lost(self, guest: Guest) -> bool:
        """Whether a guest that nobody stopped ended before it was set up."""
        return guest.status not in self._open and "started" not in self.said(guest.status)

    def drain(self) -> None:
        """Read what is left in the pipes of guests that have been stopped."""
        until = time.monotonic() + _GRACE
        while self._open and time.monotonic() < until and self._printed() <= self._limits.output:
            self._once(0.1)
        self._selector.close()

    def said(self, descriptor: int) -> dict[str, Any]:
        """What the whole lines that were written there say together."""
        *lines, _ = bytes(self._read[descriptor]).split(b"\n")
        return {key: value for line in lines for key, value in json.loads(line).items()}

    def text(self, kind: str) -> str:
        """What both printed there, the program first, cut at the limit."""
        printed = b"".join(bytes(self._read[d]) for d, k in self._kinds.items() if k == kind)
        return printed[: self._limits.output].decode(errors="replace")

    def _once(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            part = os.read(key.fd, 65536)
            if part:
                self._read[key.fd] += part
            else:
                self._selector.unregister(key.fd)
                self._open.discard(key.fd)

    def _printed(self) -> int:
        kinds = ("stdout", "stderr")
        return sum(len(self._read[d]) for d, kind in self._kinds.items() if kind in kinds)
