"""Models whose weights may have to be put in place before they speak."""

import contextlib
from collections.abc import Callable, Iterator

from torch import nn
from torch.distributed.tensor import DTensor

from limbeck.errors import LimbeckError

Weights = Callable[[], contextlib.AbstractContextManager[nn.Module]]
"""Yields a model while its weights are in place, always the same module."""


def weights_of(model: nn.Module | Weights) -> Weights:
    """A module's weights are always in place."""
    return (lambda: contextlib.nullcontext(model)) if isinstance(model, nn.Module) else model


def whole(model: nn.Module) -> nn.Module:
    """The model, if each rank has all of it.

    Raises:
        LimbeckError: It is sharded: every forward pass is one of all ranks, and texts differ in length.
    """
    if any(isinstance(p, DTensor) for p in model.parameters()):
        raise LimbeckError(
            "a model that FSDP has sharded cannot write: ranks would wait for one another forever",
            where=type(model).__name__,
            mend="train without FSDP, or with a method that needs no text of the student",
        )
    return model


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, with the key-value cache that gradient checkpointing would forbid."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:  # one by one: a part may have been in evaluation mode before
            module.training = True
