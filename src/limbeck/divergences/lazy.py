"""A log-softmax that waits until somebody looks."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map


class LogProbs(Tensor):
    """``(logits / temperature).log_softmax(-1)``, not computed yet.

    A divergence that knows its gradient behind a softmax takes the logits and never makes the
    log-probabilities; everything else sees an ordinary tensor of them.

    Attributes:
        logits: ``[..., V]``; carries the gradient.
        temperature: Divides them.
    """

    logits: Tensor
    temperature: float
    _dense: Tensor | None

    @staticmethod
    def of(logits: Tensor, temperature: float) -> "LogProbs":
        """Wrap logits."""
        node = _Node.apply(logits, temperature) if logits.requires_grad else logits.detach()
        lazy: LogProbs = node.as_subclass(LogProbs)
        lazy.logits, lazy.temperature, lazy._dense = logits, temperature, None
        return lazy

    def dense(self) -> Tensor:
        """The log-probabilities, computed once; what was seen without gradients is not kept."""
        if self._dense is not None:
            return self._dense
        dense = tempered(self.logits, self.temperature).log_softmax(-1)
        if dense.requires_grad == self.logits.requires_grad:
            self._dense = dense
        return dense

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Any operation sees the dense tensor; questions about the form do not need it."""
        if func in _FORM:
            return func(args[0].logits, *args[1:], **(kwargs or {}))
        if func is Tensor.detach:
            return LogProbs.of(args[0].logits.detach(), args[0].temperature)
        name = getattr(func, "__name__", "")
        if name in _IN_PLACE or (name.endswith("_") and not name.endswith("__")):
            raise TypeError(
                f"{name} would change log-probabilities that a divergence does not look at: "
                "use the form that makes a new tensor"
            )
        args, kwargs = tree_map(_dense, (args, kwargs or {}))
        return func(*args, **kwargs)


_IN_PLACE = {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__"}
_FORM = {
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "is_cuda")),
    Tensor.requires_grad.__get__,  # type: ignore[attr-defined]
    Tensor.size,
    Tensor.dim,
    Tensor.__len__,
}


class _Node(torch.autograd.Function):
    """The way back for those who go round `__torch_function__`: other autograd Functions."""

    @staticmethod
    def forward(ctx, logits: Tensor, temperature: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(logits)
        ctx.temperature = temperature
        return logits.view_as(logits)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (logits,) = ctx.saved_tensors
        probs = tempered(logits, ctx.temperature).softmax(-1)
        return (grad - probs * grad.sum(-1, keepdim=True)) / ctx.temperature, None


def log_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """``(logits / temperature).log_softmax(-1)``, computed when it is needed.

    Args:
        logits: ``[..., V]``.
        temperature: Above 0.
    """
    return LogProbs.of(logits, temperature)


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """``logits / temperature``, without a copy at temperature 1."""
    return logits if temperature == 1.0 else logits / temperature


def _dense(value: Any) -> Any:
    return value.dense() if isinstance(value, LogProbs) else value
