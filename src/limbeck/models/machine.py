"""Where models work, and how exactly."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device() -> "torch.device":
    """Where models work: this process's accelerator, or the CPU."""
    import torch

    found = torch.accelerator.current_accelerator()
    if found is None:
        return torch.device("cpu")
    return torch.device(found.type, int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """How products of float32 tensors are computed while some work runs.

    Args:
        name: ``highest`` is float32; ``high`` and ``medium`` let the machine's matrix units round
            the factors (TensorFloat-32, bfloat16) and add up in float32.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
