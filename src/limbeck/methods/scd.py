"""Following the Teacher's Footsteps: Scheduled Checkpoint Distillation (Feng et al., 2026)."""

import random
from dataclasses import dataclass, replace
from math import log, tanh
from typing import ClassVar, Literal, final

from torch import Tensor

from limbeck.data.batch import Sequence, Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, need_at
from limbeck.methods.lab import Lab, LossSource
from limbeck.targets import Need

FLOOR = 1e-4  # nats a token: a memorised row has none left, and 0 / 0 would say nothing


@final
@dataclass(frozen=True)
class SCD(Method):
    r"""Each stage learns from the checkpoint that is near the best teacher and near the student.

    .. math:: k^* = \arg\min_k KL(p_{best} \| p_k) + KL(q \| p_k), \quad
        L = w \, T^2 KL(p^{(k^*)}_T \| q_T) + (1 - w)(-\log q(y))

    w is lmbda; with adaptive weights it is a number for each sample,
    :math:`w_i = \sigma(\gamma \log(\ell_{S}(x_i) / \ell_{k^*}(x_i)))`, from the losses of the frozen
    fine-tuned student and of the chosen checkpoint: what the student already does better, it
    keeps. The choice is the same as the checkpoint nearest to the midpoint of best and student.

    Attributes:
        lmbda: Weight of the *teacher* without adaptive weights, in [0, 1].
        temperature: T, softens both sides.
        adaptive_weight: Weigh each sample by who does it better.
        loss_source: Losses of models that were trained on the rows (``train``, as in the paper), or
            of ones that were not (``oof``: three folds, each model trained on the others).
        sharpness: gamma above, at least 0.
        control: A comparison for adaptive weights: their mean for all (``constant``), dealt out at
            random (``shuffled``), or turned round (``inverted``).
    """

    lmbda: float = 0.5
    temperature: float = 1.0
    adaptive_weight: bool = False
    loss_source: LossSource = "train"
    sharpness: float = 1.0
    control: Literal["none", "constant", "shuffled", "inverted"] = "none"

    paper: ClassVar = Paper(
        "Following the Teacher's Footsteps: Scheduled Checkpoint Distillation for Domain-Specific "
        "LLMs",
        "https://arxiv.org/abs/2601.10114",
        "Llama-3.1-8B to 3.2-3B, mean of seven columns: SCD 0.742, with adaptive weights 0.763; CD "
        "0.739, TAID 0.729, TD 0.727; the teacher 0.773.",
    )
    formula: ClassVar = (
        "w * T^2 * KL(p_k || q)  +  (1 - w) * -log q(y_t),  "
        "k = argmin KL(p_best || p_k) + KL(q || p_k)"
    )
    choices: ClassVar = Choices(
        "the data's completions",
        "the chosen checkpoint of the teacher's fine-tuning, and the next token",
        "forward KL and cross-entropy",
        weight="lmbda, or w of each sample",
        reduction="each sequence, then the batch",
        schedule="the checkpoint, chosen before each stage",
    )
    use: ClassVar = (
        "A domain with labelled data where you fine-tune the teacher yourself, and a student that "
        "is better than its teacher on a part of it: adaptive weights keep that part."
    )
    deviations: ClassVar = (
        Deviation(
            "no code is published",
            "the rule of choice, T steps a stage with a new optimiser, and the form of w come from "
            "a close reading of the paper",
            "as read; the rows on which the KLs are measured are 512 training rows",
        ),
        Deviation(
            "the paper",
            "does not say which weight the cross-entropy has without adaptive weights",
            "one half",
            "lmbda",
        ),
        Deviation(
            "the paper",
            "trains two epochs in each stage",
            "the training arguments are those of all stages together, which share the steps",
        ),
        Deviation(
            "the paper",
            "takes both losses on rows that both models were trained on, where they are near 0",
            "the same",
            "adaptive_weight: true, loss_source: oof",
        ),
    )
    reduction: ClassVar = "sequences"
    keeps_best: ClassVar = True
    settled: ClassVar = frozenset({"sharpness"})

    def __post_init__(self) -> None:
        self.check_range("lmbda", 0.0, 1.0)
        self.check_range("temperature", 0.01, 100.0)
        self.check_range("sharpness", 0.0, 1e6)
        self.check_choice("loss_source", ("train", "oof"))
        self.check_choice("control", ("none", "constant", "shuffled", "inverted"))
        if self.adaptive_weight and self.lmbda != 0.5:
            raise ValueError(
                "lmbda is not used: with adaptive_weight each sample has its own weight"
            )
        if not self.adaptive_weight and (self.loss_source, self.sharpness, self.control) != (
            "train",
            1.0,
            "none",
        ):
            raise ValueError(
                "loss_source, sharpness and control are of adaptive weights: adaptive_weight: true"
            )

    @property
    def needs(self) -> Need:
        """The gradient of the forward KL at temperature 1 is linear in p."""
        return need_at(self.temperature)

    @property
    def needs_path(self) -> bool:
        """Always."""
        return True

    @property
    def needs_folds(self) -> bool:
        """For losses out of fold."""
        return self.loss_source == "oof"

    @property
    def needs_start(self) -> bool:
        """The frozen student of the adaptive weights."""
        return self.adaptive_weight

    def number_of_rounds(self, checkpoints: int) -> int:
        """As many stages as checkpoint distillation has, so that both take the same steps."""
        return checkpoints

    def teacher_checkpoint(self, lab: Lab) -> int:
        """Argmin over k; of equals, the later one."""
        sums = [a + b for a, b in zip(lab.kl_from_best(), lab.kl_from_student(), strict=True)]
        return max(range(len(sums)), key=lambda k: (-sums[k], k))

    def prepare(self, lab: Lab) -> list[Sequence]:
        """The labelled rows, each with its weight."""
        rows = lab.labelled()
        if not self.adaptive_weight:
            return rows
        own = lab.losses_of_start(rows, self.loss_source)
        its = lab.losses_of_checkpoint(self.teacher_checkpoint(lab), rows, self.loss_source)
        weights = adaptive_weights(own, its, self.sharpness)
        return [
            replace(row, weight=w)
            for row, w in zip(rows, controlled(weights, self.control, lab.seed), strict=True)
        ]

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The soft term and the hard one, by the sample's weight."""
        w = tokens.given["weight"] if self.adaptive_weight else self.lmbda
        return self._terms(tokens, w)

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Held-out rows have no weight of their own."""
        return self._terms(tokens, self.lmbda)

    def _terms(self, tokens: Tokens, w: Tensor | float) -> dict[str, Tensor]:
        log_p, log_q = tokens.pair(self.temperature)
        return {
            "kl": w * self.temperature**2 * forward_kl(log_p, log_q),
            "nll": (1 - w) * tokens.nll(),
        }


def adaptive_weights(own: list[float], its: list[float], sharpness: float) -> list[float]:
    """``sigmoid(sharpness * log(own / its))``: near 1 where the teacher is better."""
    logs = [log(max(s, FLOOR)) - log(max(t, FLOOR)) for s, t in zip(own, its, strict=True)]
    return [(1 + tanh(sharpness * x / 2)) / 2 for x in logs]  # exp would overflow


def controlled(weights: list[float], control: str, seed: int) -> list[float]:
    """The weights, or what takes their place in a comparison; dealt out anew in each stage."""
    if control == "constant":
        return [sum(weights) / len(weights)] * len(weights)
    if control == "shuffled":
        return random.Random(seed).sample(weights, len(weights))
    return [1 - w for w in weights] if control == "inverted" else weights
