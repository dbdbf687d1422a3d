"""The Triton kernels as a differentiable function of logits."""

import functools
from typing import Any

import torch
import triton
from torch import Tensor

from limbeck.divergences import kernels, rows
from limbeck.divergences.lazy import tempered
from limbeck.divergences.triton import kernels as compiled

BLOCK = 2048  # events at a time
WARPS = 8
DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_MODES = {
    kernels.forward_kl: compiled.FORWARD_KL,
    kernels.reverse_kl: compiled.REVERSE_KL,
    kernels.adaptive_kl: compiled.ADAPTIVE_KL,
    kernels.jensen_shannon: compiled.JENSEN_SHANNON,
    kernels.skew_kl: compiled.SKEW_KL,
    kernels.skew_reverse_kl: compiled.SKEW_REVERSE_KL,
    kernels.total_variation: compiled.TOTAL_VARIATION,
    kernels.alpha_beta: compiled.ALPHA_BETA,
}


def can(kernel: "functools.partial[Any]", target: Tensor, own: Tensor) -> bool:
    """Whether the kernels compute this: not in float64, not at limits of the alpha-beta divergence.

    Args:
        kernel: A function of ``kernels.py`` with its parameters.
        target: The target's logits.
        own: The student's.
    """
    if kernel.func is kernels.alpha_beta:
        alpha, beta = kernel.keywords["alpha"], kernel.keywords["beta"]
        if 0 in (alpha, beta, alpha + beta):
            return False
    return target.shape == own.shape and {target.dtype, own.dtype} <= set(DTYPES)


def divergence(
    kernel: "functools.partial[Any]",
    target: Tensor,
    own: Tensor,
    target_temperature: float,
    temperature: float,
) -> Tensor:
    """A divergence that `can` be computed, differentiable with respect to ``own``.

    Args:
        kernel: A function of ``kernels.py`` with its parameters.
        target: Logits, or log-probabilities, ``[..., V]``.
        own: The student's logits, ``[..., V]``; carries the gradient.
        target_temperature: Divides the target's logits.
        temperature: Divides the student's.

    Returns:
        ``[...]`` of float32.
    """
    parameters = dict(kernel.keywords)
    mode = _MODES[kernel.func]
    if parameters.pop("detach_mixture", False):
        mode = compiled.SKEW_REVERSE_KL_DETACHED
    if kernel.func is kernels.adaptive_kl:
        first = _weight(
            tempered(target.float(), target_temperature),
            tempered(own.detach().float(), temperature),
            **parameters,
        )
    else:
        first = parameters.get("alpha" if "alpha" in parameters else "beta", 0.0)
    second = parameters.get("beta", 0.0) if kernel.func is kernels.alpha_beta else 0.0
    if isinstance(first, Tensor):
        firsts = first.to(own.device, torch.float32)
    else:
        firsts = own.new_full((), first, dtype=torch.float32)
    factors = 1 / target_temperature, 1 / temperature, second
    flat = _Divergence.apply(
        _matrix(own),
        _matrix(target),
        firsts.expand(own.shape[:-1]).reshape(-1),
        factors,
        mode.value,
    )
    return flat.view(own.shape[:-1])


class _Divergence(torch.autograd.Function):
    """The gradient is written in the backward pass, once, with its factor on it.

    Kept until then are references to both logits and five numbers a row. Writing it in the
    forward pass instead would keep one more ``[n, V]`` for each term of a loss, and cost a trip
    to multiply it by the incoming gradient (8 of 36 bytes per logit of the forward KL).
    """

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, own: Tensor, target: Tensor, firsts: Tensor, factors: tuple[float, ...], mode: int
    ) -> Tensor:
        values = own.new_empty(len(own), dtype=torch.float32)
        statistics = own.new_empty(len(own), 5, dtype=torch.float32)
        if own.numel():
            with torch.cuda.device_of(own):  # Triton launches on the current device
                compiled.value_kernel[(len(own),)](
                    target,
                    own,
                    firsts,
                    values,
                    statistics,
                    *_shape(own, target, firsts),
                    *factors,
                    MODE=mode,
                    BLOCK=_block(own),
                    num_warps=WARPS,
                )
        ctx.save_for_backward(own, target, firsts, statistics)
        ctx.factors, ctx.mode = factors, mode
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None, None]:  # type: ignore[no-untyped-def]
        own, target, firsts, statistics = ctx.saved_tensors
        gradient = torch.empty_like(own, memory_format=torch.contiguous_format)
        if own.numel():
            block = _block(own)
            with torch.cuda.device_of(own):
                compiled.gradient_kernel[(len(own), triton.cdiv(own.shape[1], block))](
                    target,
                    own,
                    firsts,
                    statistics,
                    (grad.float() * ctx.factors[1]).contiguous(),
                    gradient,
                    *_shape(own, target, firsts),
                    *ctx.factors,
                    MODE=ctx.mode,
                    BLOCK=block,
                    num_warps=WARPS,
                )
        return gradient, None, None, None, None


def _weight(target: Tensor, own: Tensor, mu: float) -> Tensor:
    """The share of the forward KL in the adaptive one, ``[...]``; see `rows.adaptive_kl`."""
    probs = target.softmax(-1)
    gap = own.softmax(-1).sub_(probs).abs_()
    total = gap.sum(-1)
    head = rows.head_of_mass(probs, mu)
    return torch.where(total > 0, gap.mul_(head).sum(-1) / total, 0.5)


def _matrix(logits: Tensor) -> Tensor:
    """``[n, V]`` whose rows lie in one piece."""
    flat = logits.reshape(-1, logits.shape[-1])
    return flat if flat.stride(-1) == 1 else flat.contiguous()


def _shape(own: Tensor, target: Tensor, firsts: Tensor) -> tuple[int, ...]:
    """V, and from row to row of each."""
    return own.shape[1], target.stride(0), own.stride(0), firsts.stride(0)


def _block(logits: Tensor) -> int:
    return min(BLOCK, triton.next_power_of_2(logits.shape[1]))
