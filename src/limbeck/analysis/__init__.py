"""Statistics of a run: plain arrays in, numbers with intervals out; imports nothing of ours."""

from .estimate import Comparison, Estimate
from .statistics import (
    mcnemar,
    mean_interval,
    paired_bootstrap,
    paired_ratio_bootstrap,
    proportion,
    ratio_of_sums,
)

__all__ = [
    "Comparison",
    "Estimate",
    "mcnemar",
    "mean_interval",
    "paired_bootstrap",
    "paired_ratio_bootstrap",
    "proportion",
    "ratio_of_sums",
]
