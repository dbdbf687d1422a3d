"""What is imitated at each position."""

from limbeck.targets.backbone import causal_lm, check_head, head_of, last_hidden
from limbeck.targets.base import Dense, Projected, Target
from limbeck.targets.need import Need
from limbeck.targets.noisy import NoisyTeacher
from limbeck.targets.sparse import Sampled, TopK
from limbeck.targets.teacher import ModelTeacher, Teacher

__all__ = [
    "Dense",
    "ModelTeacher",
    "Need",
    "NoisyTeacher",
    "Projected",
    "Sampled",
    "Target",
    "Teacher",
    "TopK",
    "causal_lm",
    "check_head",
    "head_of",
    "last_hidden",
]
