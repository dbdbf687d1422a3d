"""One file per paper. The key is the name in recipes."""

from limbeck.methods.abkd import ABKD
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.akl import AKL
from limbeck.methods.base import Method, Step
from limbeck.methods.cd import CD
from limbeck.methods.custom import Custom
from limbeck.methods.distillm import DistiLLM
from limbeck.methods.distillm2 import DistiLLM2
from limbeck.methods.dkd import DKD
from limbeck.methods.dpkd import DPKD
from limbeck.methods.dpkd_token import DPKDToken
from limbeck.methods.gkd import GKD
from limbeck.methods.imitkd import ImitKD
from limbeck.methods.jsd import JSD
from limbeck.methods.kd import KD
from limbeck.methods.lab import Lab, Rationale, Rationales, Tutor
from limbeck.methods.minillm import MiniLLM
from limbeck.methods.opd import OPD
from limbeck.methods.revkd import RevKD
from limbeck.methods.scd import SCD
from limbeck.methods.seqkd import SeqKD
from limbeck.methods.sft import SFT
from limbeck.methods.skd import SKD
from limbeck.methods.taid import TAID
from limbeck.methods.tvd import TVD
from limbeck.methods.undo import UNDO

METHODS: dict[str, type[Method]] = {
    "sft": SFT,
    "seqkd": SeqKD,
    "undo": UNDO,
    "kd": KD,
    "revkd": RevKD,
    "jsd": JSD,
    "tvd": TVD,
    "akl": AKL,
    "abkd": ABKD,
    "dkd": DKD,
    "imitkd": ImitKD,
    "gkd": GKD,
    "minillm": MiniLLM,
    "distillm": DistiLLM,
    "distillm2": DistiLLM2,
    "skd": SKD,
    "dpkd": DPKD,
    "dpkd-token": DPKDToken,
    "taid": TAID,
    "cd": CD,
    "scd": SCD,
    "opd": OPD,
    "custom": Custom,
}

__all__ = [
    "ABKD",
    "AKL",
    "CD",
    "DKD",
    "DPKD",
    "GKD",
    "JSD",
    "KD",
    "METHODS",
    "OPD",
    "SCD",
    "SFT",
    "SKD",
    "TAID",
    "TVD",
    "UNDO",
    "Choices",
    "Custom",
    "DPKDToken",
    "Deviation",
    "DistiLLM",
    "DistiLLM2",
    "ImitKD",
    "Lab",
    "Method",
    "MiniLLM",
    "Paper",
    "Rationale",
    "Rationales",
    "RevKD",
    "SeqKD",
    "Step",
    "Tutor",
]
