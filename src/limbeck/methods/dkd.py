"""Decoupled Knowledge Distillation (Zhao et al., CVPR 2022)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import decoupled_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.schedules import Linear, moving
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class DKD(Method):
    r"""The KL in two parts with a weight each: the label, and everything but the label.

    .. math:: \mu \, (-\log q(y_t)) + \lambda T^2 [\alpha \, TCKD + \beta \, NCKD]

    :math:`TCKD = KL((p_y, 1 - p_y) \| (q_y, 1 - q_y))`, and NCKD is the KL over all other tokens,
    renormalised. The plain KL is alpha = 1 and beta = 1 - p_y.

    Attributes:
        alpha: Weight of the label against the rest, at least 0.
        beta: Weight of the rest, at least 0; the paper tunes it to the teacher, from 1 to 10.
        temperature: T, softens both sides; T² keeps gradients comparable.
        ce: Weight of the likelihood (mu above), at least 0.
        lmbda: Weight of the distillation; the paper warms it up over 20 of 240 epochs.
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0
    ce: float = 1.0
    lmbda: float = moving(Linear(0.0, 1.0, until=1 / 12))
    source: Text = "data"

    paper: ClassVar = Paper(
        "Decoupled Knowledge Distillation",
        "https://arxiv.org/abs/2203.08679",
        "Image classification. Ported to language models by TAID (MT-Bench, Table 1): 2.70, 4.14 and "
        "2.90 on its three pairs, against 2.71, 3.99 and 2.74 for the KL.",
    )
    formula: ClassVar = "ce * -log q(y_t)  +  lmbda * T^2 * (alpha * TCKD + beta * NCKD)"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution at temperature T, split at the next token",
        "binary KL, KL over the rest, cross-entropy",
        weight="alpha, beta, ce",
        schedule="lmbda warms up over a twelfth of the training",
    )
    use: ClassVar = (
        "When the teacher is so sure of the label that the KL says nothing about the rest: beta no "
        "longer shrinks with 1 - p_y. For language models start from TAID's settings."
    )
    deviations: ClassVar = (
        Deviation(
            "TAID's port",
            "uses alpha = 1, beta = 0.5, T = 1 and no warm-up",
            "the paper's settings, of images",
            "beta: 0.5, temperature: 1, ce: 0, lmbda: 1",
        ),
        Deviation(
            "TAID's port",
            "averages over all positions, prompt and padding included",
            "supervised tokens only",
        ),
        Deviation(
            "the authors' code",
            "masks the label with a logit of -1000 and takes log(1 - q_y) by difference",
            "a log-sum over the other tokens, which does not underflow",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("alpha", 0.0, 1e6)
        self.check_range("beta", 0.0, 1e6)
        self.check_range("temperature", 0.01, 100.0)
        self.check_range("ce", 0.0, 1e6)
        self.check_range("lmbda", 0.0, 1e6)

    @property
    def needs(self) -> Need:
        """The label has to be one of the events, whatever the temperature."""
        return "logits"

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Both parts of the KL and, where it has any weight, the likelihood."""
        log_p, log_q = tokens.pair(self.temperature)
        parts = decoupled_kl(log_p, log_q, tokens.label, alpha=self.alpha, beta=self.beta)
        terms = {"dkd": self.lmbda * self.temperature**2 * parts}
        if self.ce > 0:
            terms["nll"] = self.ce * tokens.nll()
        return terms
