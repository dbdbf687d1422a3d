"""Which form of the row kernels a device gets."""

import functools
import importlib
import logging
import os
from typing import Literal, cast, get_args

import torch

Form = Literal["triton", "compiled", "eager"]
VARIABLE = "LIMBECK_KERNELS"
_OLDEST = (7, 0)  # compute capability that Triton generates code for

log = logging.getLogger("limbeck.divergences")


def row_kernels(device: torch.device) -> Form:
    """How divergences behind a softmax are computed on a device.

    The environment variable ``LIMBECK_KERNELS`` decides where it is set; otherwise it is
    ``triton`` on CUDA, ``compiled`` on other accelerators and on CUDA without Triton, and
    ``eager`` on a CPU, where blocks fit into the cache and a compiler gains nothing.

    Args:
        device: Where the logits are.

    Returns:
        ``triton``: one kernel forward and one backward. ``compiled``: the closed forms through
        ``torch.compile``. ``eager``: the closed forms, one operation after another.

    Raises:
        ValueError: The variable has another value, or asks for Triton where it cannot run.
    """
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return _default(device)
    if wanted not in get_args(Form):
        raise ValueError(
            f"{VARIABLE}={wanted} names no row kernels: "
            f"set {VARIABLE} to {', '.join(get_args(Form)[:-1])} or eager, or unset it"
        )
    if wanted == "triton" and (obstacle := _obstacle(device)):
        raise ValueError(
            f"{VARIABLE}=triton, but {obstacle}: set {VARIABLE}=compiled or eager, or unset it"
        )
    return cast(Form, wanted)


@functools.cache
def _default(device: torch.device) -> Form:
    if device.type == "cpu":
        return "eager"
    obstacle = _obstacle(device)
    if not obstacle:
        return "triton"
    if device.type == "cuda":
        log.warning("row kernels are compiled by PyTorch on %s: %s", device, obstacle)
    return "compiled"


@functools.cache
def _obstacle(device: torch.device) -> str:
    """Why Triton's kernels cannot run on a device, empty where they can."""
    try:
        importlib.import_module("triton")
    except ImportError:
        return "Triton cannot be imported"
    if os.environ.get("TRITON_INTERPRET") == "1":
        return ""  # the interpreter takes tensors from anywhere
    if device.type != "cuda":
        return f"Triton does not run on {device.type}"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < _OLDEST:
        return f"Triton does not run on {torch.cuda.get_device_name(device)}"
    return ""
