"""Distilling the Knowledge in a Neural Network (Hinton et al., 2015)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.base import Choices, Method, Paper, Step, Text, check_range
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class KD(Method):
    r"""Match the teacher's softened next-token probabilities on given text.

    .. math:: (1 - \lambda) \, (-\log q(y_t)) + \lambda \, T^2 \, KL(p_T \| q_T),
        \quad p_T = softmax(z_p / T)

    Attributes:
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
        lmbda: Weight of the *teacher*, in [0, 1]; 1 is distillation only, 0 is plain SFT.
        temperature: T, softens both sides; T² keeps gradients comparable (section 2).
    """

    source: Text = "data"
    lmbda: float = 1.0
    temperature: float = 1.0

    paper: ClassVar = Paper(
        "Distilling the Knowledge in a Neural Network", "https://arxiv.org/abs/1503.02531"
    )
    formula: ClassVar = "(1 - lmbda) * -log q(y_t)  +  lmbda * T^2 * KL(p_T || q_T)"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution at temperature T, and the next token",
        "forward KL and cross-entropy",
        weight="lmbda * T^2 and 1 - lmbda",
    )
    deviations: ClassVar = (
        "MiniLLM's scripts run lmbda = 0.5 under the name kd, DistiLLM's lmbda = 1; say which.",
        "TRL, DistiLLM and TAID apply a temperature without T^2; here T^2 is part of the term.",
        "DistiLLM's and MiniLLM's loss is the cross-entropy to the teacher: the same gradient, "
        "but not 0 where the student matches.",
    )

    def __post_init__(self) -> None:
        check_range("lmbda", self.lmbda, 0.0, 1.0)
        check_range("temperature", self.temperature, 0.01, 100.0)

    @property
    def needs(self) -> Need:
        """At temperature 1 the gradient, q - p, is linear in p; at another, p_T is not."""
        return "average" if self.temperature == 1.0 else "logits"

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The soft term and, where it has any weight, the hard one."""
        log_p, log_q = tokens.pair(self.temperature)
        terms = {"kl": self.lmbda * self.temperature**2 * forward_kl(log_p, log_q)}
        if self.lmbda < 1.0:
            terms["nll"] = (1.0 - self.lmbda) * tokens.nll()
        return terms
