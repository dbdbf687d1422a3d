"""Divergences behind a softmax: from logits to the gradient for logits in one closed form."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limbeck.divergences import compiled, kernels, rows
from limbeck.divergences.choice import Form, row_kernels
from limbeck.divergences.lazy import LogProbs, tempered

_ROWS: dict[Callable[..., Any], Callable[..., rows.Result]] = {
    kernels.adaptive_kl: rows.adaptive_kl,
    kernels.alpha_beta: rows.alpha_beta,
    kernels.forward_kl: rows.forward_kl,
    kernels.jensen_shannon: rows.jensen_shannon,
    kernels.reverse_kl: rows.reverse_kl,
    kernels.skew_kl: rows.skew_kl,
    kernels.skew_reverse_kl: rows.skew_reverse_kl,
    kernels.total_variation: rows.total_variation,
}


def behind_softmax(kernel: "functools.partial[Any]", log_p: Tensor, log_q: LogProbs) -> Tensor:
    """The divergence that a kernel computes, differentiable with respect to ``log_q.logits``.

    Args:
        kernel: A function of ``kernels.py`` with its parameters.
        log_p: Target log-probabilities ``[n, V]``, perhaps lazy.
        log_q: The student's, as logits.
    """
    # Log-probabilities are logits of themselves.
    target, temperature = log_p, 1.0
    if isinstance(log_p, LogProbs):
        target, temperature = log_p.logits, log_p.temperature
    form = row_kernels(log_q.device)
    if form == "triton":
        from limbeck.divergences.triton import launch  # not everywhere installed

        if launch.can(kernel, target, log_q.logits):
            return launch.divergence(kernel, target, log_q.logits, temperature, log_q.temperature)
    target = tempered(target, temperature)
    return _BehindSoftmax.apply(log_q.logits, target, log_q.temperature, kernel, form)


class _BehindSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,
        logits: Tensor,
        target: Tensor,
        temperature: float,
        kernel: "functools.partial[Any]",
        form: Form,
    ) -> Tensor:
        own = tempered(logits, temperature)
        value = gradient = None
        if not _is_limit(**kernel.keywords):
            function = _ROWS[kernel.func]
            if form == "compiled" and compiled.can(function):
                value, gradient = compiled.evaluate(function, target, own, kernel.keywords)
            else:
                sides = rows.Side.of(target), rows.Side.of(own)
                value, gradient = function(*sides, **kernel.keywords)
        if value is None or bool(value.isnan().any()):  # 0 * inf: one side rules out an event
            log_q = own.log_softmax(-1)
            value, slope = kernel(target.log_softmax(-1), log_q)
            gradient = slope - log_q.exp() * slope.sum(-1, keepdim=True)
        ctx.save_for_backward(gradient)
        ctx.temperature = temperature
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None, None]:  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        factor = (grad / ctx.temperature).unsqueeze(-1)
        # In place where nobody will ask again: fresh memory costs more than the product.
        again = torch._C._autograd._get_current_graph_task_keep_graph()
        return gradient * factor if again else gradient.mul_(factor), None, None, None, None


def _is_limit(alpha: float | Tensor = 0.5, beta: float | Tensor = 0.5, **_: Any) -> bool:
    """Whether a divergence divides by 0, or mixes nothing into what may have vanished."""
    if isinstance(alpha, Tensor):
        return bool((alpha == 0).any())
    return alpha == 0 or (not isinstance(beta, Tensor) and beta in (0, -alpha))
