"""Models on held-out rows: how likely they find a text, and two of them token by token."""

from limbeck.evaluation.likelihood import Likelihood, likelihood
from limbeck.evaluation.positions import Positions, positions

__all__ = ["Likelihood", "Positions", "likelihood", "positions"]
