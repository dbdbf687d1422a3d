"""Hypotheses of a study: written before it runs, checked against its axes, tested on its table."""

from .checking import MEASURED, RESERVED, axes_of, check
from .result import Result
from .spec import (
    Better,
    Correlation,
    Hypothesis,
    Improvement,
    Interaction,
    MethodsDiffer,
    NoDifference,
    NonInferior,
    Order,
)
from .testing import test

__all__ = [
    "MEASURED",
    "RESERVED",
    "Better",
    "Correlation",
    "Hypothesis",
    "Improvement",
    "Interaction",
    "MethodsDiffer",
    "NoDifference",
    "NonInferior",
    "Order",
    "Result",
    "axes_of",
    "check",
    "test",
]
