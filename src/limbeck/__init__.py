"""Limbeck distils large language models into small ones, and tells the truth about the result."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limbeck import divergences, methods, schedules
    from limbeck.api import distill
    from limbeck.errors import LimbeckError, RequestError
    from limbeck.training import DistillTrainer

__all__ = [
    "DistillTrainer",
    "LimbeckError",
    "RequestError",
    "distill",
    "divergences",
    "methods",
    "schedules",
]
__version__ = version("limbeck")

# Loaded when first asked for: PyTorch takes seconds, and `limbeck --help` needs none of it.
_LAZY = {
    "DistillTrainer": "limbeck.training",
    "LimbeckError": "limbeck.errors",
    "RequestError": "limbeck.errors",
    "distill": "limbeck.api",
}


def __getattr__(name: str) -> Any:
    if name in ("divergences", "methods", "schedules"):
        return importlib.import_module(f"limbeck.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'limbeck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
