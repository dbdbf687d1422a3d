"""Several programs at once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from limbeck.evaluation.sandbox.limits import Outcome


def run_many(jobs: Sequence[Callable[[], Outcome]], *, workers: int | None = None) -> list[Outcome]:
    """The outcomes of ``jobs`` in their order; an exception of one ends the rest unbegun.

    Args:
        jobs: Calls of `run_python`, say; their work is in other processes, so threads are enough.
        workers: How many at a time; as many as there are cores for this process where not said.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(workers or cores or 1) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
