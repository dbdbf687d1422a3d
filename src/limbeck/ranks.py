"""Several processes on one run, as torchrun or `accelerate launch` start them."""

import gc
import os
import sys
from datetime import timedelta

PATIENCE = timedelta(days=3)  # the others wait while the first one writes text or evaluates


def rank() -> int:
    """Number of this process; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


def wait_for_everyone() -> None:
    """Return when all processes have come here."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
    distributed.barrier()


def leave() -> None:
    """Part from the other processes, as the last thing that this one does.

    Reducers of DistributedDataParallel sit in reference cycles and keep the group's threads alive;
    left to the end of the interpreter, such a thread may still want it and abort the process,
    long after all work is done.
    """
    if "torch.distributed" not in sys.modules:
        return
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
