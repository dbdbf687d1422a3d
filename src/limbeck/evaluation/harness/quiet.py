"""The harness made quiet: no log lines, no bars of its own, no random state left behind."""

import contextlib
import logging
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it, the harness logs errors only and draws no bars; ours are drawn."""
    import datasets
    from lm_eval.api import task

    log = logging.getLogger("lm_eval")
    level, bar = log.level, task.tqdm
    hidden = datasets.are_progress_bars_disabled()
    log.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    task.tqdm = _no_bar
    try:
        yield
    finally:
        task.tqdm = bar
        log.setLevel(level)
        if not hidden:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, the global random numbers that tasks may draw follow from the seed."""
    numbers, arrays = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(numbers)
            np.random.set_state(arrays)


def _no_bar(items: Any, **options: Any) -> Any:
    del options
    return items
