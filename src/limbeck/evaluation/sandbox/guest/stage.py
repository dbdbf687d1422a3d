"""The first process in the sandbox: starts the one that counts, and tells how it ended."""

import json
import os
import resource
import signal
import sys
from typing import Any

from . import namespaces
from .checker import check
from .filter import keep_out
from .solver import solve
from .wire import Wire


def main() -> None:
    """Read what to do from standard input, and do it."""
    told = json.loads(sys.stdin.buffer.read())
    descriptors = told["descriptors"]
    try:
        namespaces.die_with_parent()
        if told["isolation"] == "namespaces":
            namespaces.enter(told["root"], told["shown"], told["limits"]["scratch"])
        namespaces.keep_to_oneself()
        _tell(descriptors["status"], {"started": True})
    except (OSError, KeyError) as error:
        _tell(descriptors["status"], {"refused": str(error)})
        os._exit(1)
    # The first process of a namespace is safe from every signal that it does not handle.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = os.fork()
    if not child:
        _play(told)
    for name in ("wire", "verdict"):
        if name in descriptors:
            os.close(descriptors[name])
    _tell(descriptors["status"], _wait_for(child))
    _end_the_rest()
    os._exit(0)


def _play(told: dict[str, Any]) -> None:
    """The role, in a process that has given up its rights; does not return."""
    descriptors = told["descriptors"]
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        _limit(told["limits"])
        if told["isolation"] != "none":
            namespaces.drop(told["limits"]["processes"])
            keep_out()
    except (OSError, ValueError) as error:
        _tell(descriptors["status"], {"refused": str(error)})
        os._exit(1)
    os.close(descriptors["status"])
    if told["role"] == "nothing":
        os._exit(0)
    wire = Wire(descriptors["wire"])
    if told["role"] == "program":
        solve(wire)
        os._exit(0)
    found = check(wire, told["source"], told["names"], told["setup"], told["tests"])
    sys.stdout.flush()
    _tell(descriptors["verdict"], {**found, "nonce": told["nonce"]})
    os._exit(0)


def _limit(limits: dict[str, int]) -> None:
    for name, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits["scratch"]),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _set(name, value, value)
    # SIGXCPU first, which tells of itself; SIGKILL for those who ignore it.
    _set(resource.RLIMIT_CPU, limits["cpu"], limits["cpu"] + 1)


def _set(name: int, soft: int, hard: int) -> None:
    """Set a limit, no higher than this process may."""
    most = resource.getrlimit(name)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(name, (soft, hard))


def _wait_for(child: int) -> dict[str, float]:
    """How the child ended: signal (0 for none) and CPU seconds; orphans are buried on the way."""
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == child:
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            return {"signal": number, "cpu": usage.ru_utime + usage.ru_stime}


def _end_the_rest() -> None:
    """Kill what the program left behind; in a namespace the kernel does so by itself."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
        except OSError:
            return
        try:
            os.wait()
        except ChildProcessError:
            return


def _tell(descriptor: int, message: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(message).encode() + b"\n")
