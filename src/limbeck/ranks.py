"""Several processes on one run, as torchrun or `accelerate launch` start them."""

import os
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
