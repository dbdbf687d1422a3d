"""The trainer, and one training from start or interruption to end."""

from limbeck.training.fit import Fit, arguments, fit
from limbeck.training.memory import Round
from limbeck.training.trainer import DistillTrainer

__all__ = ["DistillTrainer", "Fit", "Round", "arguments", "fit"]
