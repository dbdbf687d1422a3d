"""Runs as processes of this machine: cores divided among them, one run to a GPU."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from limbeck.files import is_held
from limbeck.studies.executors import Job, Told, cores, undisturbed

_GRACE_SECONDS = 20.0
_LOOK_SECONDS = 0.2


class LocalExecutor:
    """Processes that each do ``limbeck distill``.

    Args:
        processes: At a time; None is one a GPU, else one for every two cores.
    """

    def __init__(self, processes: int | None = None):
        self.gpus = _gpus()
        self.processes = processes or self.gpus or max(1, cores() // 2)

    def run(self, jobs: Sequence[Job], told: Told) -> None:
        """See `Executor.run`."""
        waiting, running = list(jobs), dict[int, tuple[Job, subprocess.Popen[bytes]]]()
        try:
            while waiting or running:
                for slot in range(self.processes):
                    job = _next(waiting) if slot not in running else None
                    if job is None:
                        continue
                    waiting.remove(job)
                    told(job, "running")
                    if job.done:  # by the process that was still at it
                        told(job, "done")
                        continue
                    running[slot] = job, self._start(job, slot)
                time.sleep(_LOOK_SECONDS)
                for slot, (job, process) in list(running.items()):
                    if process.poll() is not None:
                        del running[slot]
                        told(job, "done" if process.returncode == 0 and job.done else "failed")
        finally:
            with undisturbed():
                _stop([process for _, process in running.values()])

    def _start(self, job: Job, slot: int) -> subprocess.Popen[bytes]:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        threads = str(max(1, cores() // self.processes))
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, threads)
        if self.gpus:  # of those that this process may use
            ours = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(self.gpus)))
            environment["CUDA_VISIBLE_DEVICES"] = ours.split(",")[slot % self.gpus].strip()
        words = [
            "-m",
            "limbeck",
            "distill",
            str(job.recipe),
            "--shared",
            str(job.shared),
            "--quiet",
        ]
        with job.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches this process, which then stops them in order.
            return subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )


def _next(waiting: Sequence[Job]) -> Job | None:
    """The first job that no process works at: one may have outlived a study that was killed."""
    return next((job for job in waiting if not is_held(job.folder)), None)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes and whatever they started; what they finished is kept."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + _GRACE_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
