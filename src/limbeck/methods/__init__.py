"""One file per paper. The key is the name in recipes."""

from limbeck.methods.base import Choices, Lab, Method, Paper, Step
from limbeck.methods.gkd import GKD
from limbeck.methods.kd import KD
from limbeck.methods.revkd import RevKD
from limbeck.methods.seqkd import SeqKD
from limbeck.methods.sft import SFT

METHODS: dict[str, type[Method]] = {
    "sft": SFT,
    "seqkd": SeqKD,
    "kd": KD,
    "revkd": RevKD,
    "gkd": GKD,
}

__all__ = [
    "GKD",
    "KD",
    "METHODS",
    "SFT",
    "Choices",
    "Lab",
    "Method",
    "Paper",
    "RevKD",
    "SeqKD",
    "Step",
]
