"""TAID: Temporally Adaptive Interpolated Distillation (Shing et al., ICLR 2025)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import forward_kl, interpolate
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.schedules import LossDriven, moving


@final
@dataclass(frozen=True)
class TAID(Method):
    r"""A target that walks from the student to its teacher, as fast as the student can follow.

    .. math:: KL(p_t \| q), \quad p_t = softmax((1 - t) \, sg(z_q) + t \, z_p)

    t rises at least linearly, and faster while the loss falls: with the relative fall
    :math:`\delta` of the loss and :math:`m \leftarrow 0.99 m + 0.01 \delta`,
    :math:`t \leftarrow \min(1, \max(line, t + 5 \cdot 10^{-4} \sigma(m) (1 - t)))`.

    Attributes:
        t: Share of the teacher, in [0, 1].
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    t: float = moving(LossDriven(0.4, 1.0, rate=5e-4, momentum=0.99))
    source: Text = "data"

    paper: ClassVar = Paper(
        "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in "
        "Language Models",
        "https://arxiv.org/abs/2501.16937",
        "MT-Bench, Phi-3-mini to TinyLlama, Llama-2-7B to TinyLlama, StableLM to Pythia-410M: "
        "4.05, 4.27, 3.05 (KL 2.71, 3.99, 2.74; linear t 3.44, 4.18, 2.88).",
    )
    formula: ClassVar = "KL(p_t || q),  p_t = softmax((1 - t) sg(z_q) + t z_p)"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "between the student's own distribution and the teacher's",
        "forward KL",
        schedule="t from 0.4 to 1: at least linear, faster while the loss falls",
    )
    use: ClassVar = (
        "When the teacher is so much larger that its distribution is out of the student's reach "
        "at first. Off-policy, and as cheap as kd."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "moves t for each micro-batch and on each rank, and during validation too",
            "once an optimiser step, on the loss of all ranks, never in an evaluation; t and its "
            "momentum are saved with the checkpoint",
        ),
        Deviation(
            "the authors' code",
            "measures the fall of the cross-entropy, which holds the target's own entropy",
            "the KL, as in the paper",
        ),
        Deviation(
            "the authors' train.py",
            "stops each epoch after 10 batches, which shortens t's path to 50 steps",
            "the whole training",
        ),
        Deviation(
            "the authors' scripts",
            "have the contents of taid.sh and gkd.sh exchanged, for Llama-2 and StableLM",
            "a method is what its name says",
        ),
        Deviation(
            "some of the authors' scripts",
            "start at t = 0.2",
            "0.4",
            "t: {schedule: loss_driven, from: 0.2, to: 1}",
        ),
        Deviation(
            "the ablation without adaptation",
            "moves t in a straight line",
            "adaptive",
            "t: {schedule: linear, from: 0.4, to: 1}",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("t", 0.0, 1.0)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """KL to the target of the moment."""
        log_p, log_q = tokens.pair()
        return {"kl": forward_kl(interpolate(log_p, log_q, self.t), log_q)}
