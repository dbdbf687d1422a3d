"""Running a program with its tests, and what came of it."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.evaluation.sandbox.guests import Guest
from limbeck.evaluation.sandbox.limits import Limits, Outcome, Status
from limbeck.evaluation.sandbox.watch import Watch
from limbeck.evaluation.sandbox.ways import isolation


def run_python(
    source: str,
    tests: str = "",
    *,
    names: Sequence[str] = (),
    setup: str = "",
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Outcome:
    """Run an untrusted program, then tests of it that it cannot reach.

    Program and tests run in two interpreters, each in a sandbox of its own: no network, no file
    but Python's own to read, nothing to write but a scratch folder that vanishes, no process left
    behind. The tests call the program's functions over a socket and compare copies of what comes
    back; only their interpreter holds the word that says *passed*. So a program can win by its
    return values only: not by leaving early, nor by patching what the tests use, nor by objects
    that equal everything.

    The program runs with the standard library alone, as ``__main__``. Its functions get copies of
    their arguments: what they change in place, the tests do not see.

    Args:
        source: The program.
        tests: Run after it; the names below are in it, and those that ``setup`` defines. Without
            any, *passed* means that the program came to its end, as it says itself.
        names: What of the program the tests use.
        setup: Trusted code that is run before the tests, beside them.
        limits: What each of the two may use.
        unsafe: Run without a sandbox where this machine has none, under limits only. Even then
            tests and program are two processes, but one may reach the other.

    Raises:
        RequestError: This machine has no sandbox, and ``unsafe`` is not set.
    """
    limits = limits or Limits()
    way = isolation(unsafe=unsafe)
    started = time.monotonic()
    nonce = secrets.token_hex(16)
    here, there = socket.socketpair()
    verdict, told = os.pipe()
    guests: list[Guest] = []
    try:
        guests.append(Guest(way, limits, {"role": "program"}, {"wire": there.fileno()}))
        tests_told = {
            "role": "tests",
            "source": source,
            "names": list(names),
            "setup": setup,
            "tests": tests,
            "nonce": nonce,
        }
        guests.append(Guest(way, limits, tests_told, {"wire": here.fileno(), "verdict": told}))
        here.close()
        there.close()
        os.close(told)
        told = -1
        watch = Watch(guests, verdict, limits, started + limits.wall)
        stopped = watch.wait()
        seconds = time.monotonic() - started
        lost = any(map(watch.lost, guests))
        for guest in guests:
            guest.end()
        watch.drain()
    finally:
        here.close()
        there.close()
        for descriptor in (verdict, told):
            if descriptor >= 0:
                os.close(descriptor)
        for guest in guests:
            guest.close()
    ends = [watch.said(guest.status) for guest in guests]
    refused = [end["refused"] for end in ends if "refused" in end]
    if refused or lost:
        why = refused[0] if refused else watch.text("stderr").strip()[-2000:]
        raise LimbeckError("a sandbox could not be set up", where=why or "it ended without a word")
    found = watch.said(verdict)
    if found.get("nonce") != nonce:
        found = {}
    status = stopped or _status(found, ends, limits)
    stderr = watch.text("stderr") + found.get("trace", "")
    return Outcome(status, watch.text("stdout"), stderr, seconds)


def _status(found: dict[str, Any], ends: list[dict[str, Any]], limits: Limits) -> Status:
    """What the tests' word and the ends of both processes come to."""
    status = found.get("status")
    if status == "passed":
        return "passed"
    if status == "failed":
        return "memory" if found.get("error") == "MemoryError" else "failed"
    # One of them went away: by a limit, by a signal, or of its own will.
    for end in ends:
        number = end.get("signal", 0)
        # The kernel's two ways to count time differ by some per cent.
        worn_out = number == signal.SIGKILL and end["cpu"] > 0.8 * limits.cpu
        if number == signal.SIGXCPU or worn_out:
            return "timeout"
        if number:
            return "killed"
    return "failed"
