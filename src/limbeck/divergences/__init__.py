"""Divergences between teacher and student: dense, and fused with the language-model heads."""

from limbeck.divergences.choice import row_kernels
from limbeck.divergences.decoupled import decoupled_kl
from limbeck.divergences.dense import (
    adaptive_kl,
    alpha_beta,
    forward_kl,
    jensen_shannon,
    reverse_kl,
    skew_kl,
    skew_reverse_kl,
    total_variation,
)
from limbeck.divergences.fused import RowLoss, RowLosses, linear_divergence, linear_loss
from limbeck.divergences.head import Head
from limbeck.divergences.interpolate import interpolate
from limbeck.divergences.lazy import log_probs

__all__ = [
    "Head",
    "RowLoss",
    "RowLosses",
    "adaptive_kl",
    "alpha_beta",
    "decoupled_kl",
    "forward_kl",
    "interpolate",
    "jensen_shannon",
    "linear_divergence",
    "linear_loss",
    "log_probs",
    "reverse_kl",
    "row_kernels",
    "skew_kl",
    "skew_reverse_kl",
    "total_variation",
]
