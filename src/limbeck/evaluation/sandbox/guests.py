"""A started sandbox, seen from outside."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import psutil

from limbeck.evaluation.sandbox.command import ENVIRONMENT, Isolation, command, shown
from limbeck.evaluation.sandbox.limits import Limits


class Guest:
    """One interpreter in a sandbox of its own, with pipes to it.

    Args:
        way: How it is kept apart.
        limits: What it may use.
        told: What to do, beside limits and isolation.
        inherited: Descriptors that it gets, by name; the caller closes its own copies.

    Attributes:
        status: The reading end of a pipe that tells how the guest's program ended.
    """

    def __init__(
        self, way: Isolation, limits: Limits, told: Mapping[str, Any], inherited: Mapping[str, int]
    ):
        self._apart = way != "none"
        # Of a guest that is kept apart it holds nothing: the new root is mounted over it there.
        self._folder = tempfile.mkdtemp(prefix="limbeck-sandbox-")
        self.status, told_here = os.pipe()
        descriptors = {**inherited, "status": told_here}
        try:
            self.process = subprocess.Popen(
                command(way, limits.scratch),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=tuple(descriptors.values()),
                cwd=self._folder,
                env={**ENVIRONMENT, "HOME": self._folder} if way == "none" else ENVIRONMENT,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self.status)
            raise
        finally:
            os.close(told_here)
        message = {
            **told,
            "descriptors": descriptors,
            "isolation": way,
            "limits": asdict(limits),
            "root": self._folder,
            "shown": shown() if way == "namespaces" else [],
        }
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            pipe.write(json.dumps(message).encode())
        self.process.stdin = None  # or `communicate` flushes a closed pipe

    def memory(self) -> int:
        """Bytes of memory of all its processes."""
        used = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                used += process.memory_info().rss
        return used

    def end(self) -> None:
        """Stop all of it, and wait until it is gone."""
        family = [] if self._apart else self._family()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        # Apart, the kernel ends what is left in the namespace; else those found are all one can do.
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()

    def close(self) -> None:
        """Stop it, close the pipes and take the folder away."""
        self.end()
        os.close(self.status)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.Error:
            return []

    @classmethod
    def probe(cls, way: Isolation) -> str:
        """Start a guest that does nothing: why it did not work, empty where it did."""
        try:
            guest = cls(way, Limits(), {"role": "nothing"}, {})
        except OSError as error:
            return str(error)
        try:
            _, errors = guest.process.communicate(timeout=30)
            told = os.read(guest.status, 65536) or b"{}"
        except subprocess.TimeoutExpired:
            return "it does not start within 30 seconds"
        finally:
            guest.close()
        said = {key: value for line in told.splitlines() for key, value in json.loads(line).items()}
        if "refused" not in said and said.get("signal") == 0:
            return ""
        return str(said.get("refused") or errors.decode(errors="replace").strip() or "no answer")
