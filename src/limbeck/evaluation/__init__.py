"""Models on held-out rows: likelihood and fidelity, an array entry for each row."""

from limbeck.evaluation.fidelity import Fidelity, fidelity
from limbeck.evaluation.likelihood import Likelihood, likelihood

__all__ = ["Fidelity", "Likelihood", "fidelity", "likelihood"]
