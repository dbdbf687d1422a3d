"""Several processes on one run, as torchrun or `accelerate launch` start them."""

import os
from datetime import timedelta

PATIENCE = timedelta(days=3)  # the others wait while the first one writes text or evaluates


def rank() -> int:
    """Number of this process; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


def wait_for_everyone() -> None:
    """Return when all processes have come here."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState(timeout=PATIENCE).wait_for_everyone()
