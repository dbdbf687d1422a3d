"""Divergences twice: as Limbeck has them, and as a user would write them down."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck import divergences as ours

Function = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """``f(log_p, log_q) -> [n]`` with p the target.

    Attributes:
        ours: Limbeck's function.
        textbook: The formula in plain operations, differentiated by autograd.
        beta: The number by which TRL and Liger call it, or None where they do not have it.
        tolerance: How far float32 results may lie apart. The gradient of some functions jumps
            (total variation where p = q, adaptive KL where a token enters the head), so that
            rounding decides for single tokens.
    """

    name: str
    ours: Function
    textbook: Function
    beta: float | None = None
    tolerance: float = 1e-4


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _mix(log_a: Tensor, log_b: Tensor, weight: float) -> Tensor:
    return torch.logaddexp(log_a + math.log(weight), log_b + math.log1p(-weight))


def _reverse(log_p: Tensor, log_q: Tensor) -> Tensor:
    return _kl(log_q, log_p)


def _jensen_shannon(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    log_m = _mix(log_p, log_q, beta)
    return beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)


def _skew(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    return _kl(log_p, _mix(log_p, log_q, alpha))


def _skew_reverse(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    return _kl(log_q, _mix(log_q, log_p, alpha))


def _total_variation(log_p: Tensor, log_q: Tensor) -> Tensor:
    return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)


def _adaptive(log_p: Tensor, log_q: Tensor, mu: float) -> Tensor:
    p, order = log_p.exp().sort(dim=-1, descending=True, stable=True)
    gap = (log_p.exp() - log_q.exp()).abs().detach().gather(-1, order)
    head = p.cumsum(-1) <= mu
    head[..., 0] = True
    w = (gap * head).sum(-1) / gap.sum(-1)
    return w * _kl(log_p, log_q) + (1 - w) * _kl(log_q, log_p)


def _alpha_beta(log_p: Tensor, log_q: Tensor, a: float, b: float) -> Tensor:
    p, q, s = log_p.exp(), log_q.exp(), a + b
    inside = p**a * q**b - a / s * p**s - b / s * q**s
    return -inside.sum(-1) / (a * b)


def jensen_shannon(beta: float) -> Divergence:
    """The generalised one."""
    return Divergence(
        "JSD",
        functools.partial(ours.jensen_shannon, beta=beta),
        functools.partial(_jensen_shannon, beta=beta),
        beta,
    )


FKL = Divergence("FKL", ours.forward_kl, _kl, 0.0)
RKL = Divergence("RKL", ours.reverse_kl, _reverse, 1.0)
JSD = jensen_shannon(0.5)
SKL = Divergence(
    "SKL", functools.partial(ours.skew_kl, alpha=0.1), functools.partial(_skew, alpha=0.1)
)
SRKL = Divergence(
    "SRKL",
    functools.partial(ours.skew_reverse_kl, alpha=0.1),
    functools.partial(_skew_reverse, alpha=0.1),
)
TVD = Divergence("TVD", ours.total_variation, _total_variation, tolerance=1e-2)
ADAPTIVE = Divergence(
    "adaptive KL",
    functools.partial(ours.adaptive_kl, mu=0.5),
    functools.partial(_adaptive, mu=0.5),
    tolerance=1e-2,
)
ALPHA_BETA = Divergence(
    "alpha-beta",
    functools.partial(ours.alpha_beta, alpha=0.2, beta=0.7),
    functools.partial(_alpha_beta, a=0.2, b=0.7),
)
GRID = (FKL, RKL, JSD, SKL, SRKL, TVD)
BY_NAME = {d.name: d for d in (*GRID, ADAPTIVE, ALPHA_BETA)}
