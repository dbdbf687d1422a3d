"""Distilling the Knowledge in a Neural Network (Hinton et al., 2015)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text, need_at
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
        "Distilling the Knowledge in a Neural Network",
        "https://arxiv.org/abs/1503.02531",
        "As a baseline in DistiLLM-2's Table 2 (Qwen2-7B to 1.5B, mean win rate): 41.2 against 30.3 "
        "for the student before.",
    )
    formula: ClassVar = "(1 - lmbda) * -log q(y_t)  +  lmbda * T^2 * KL(p_T || q_T)"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution at temperature T, and the next token",
        "forward KL and cross-entropy",
        weight="lmbda * T^2 and 1 - lmbda",
    )
    use: ClassVar = (
        "The first thing to try with a teacher of the same tokenizer: cheap, and stable. With "
        "source: teacher it needs prompts only."
    )
    deviations: ClassVar = (
        Deviation(
            "MiniLLM, DistiLLM (scripts)",
            "run lambda = 0.5 (MiniLLM) and lambda = 1 (DistiLLM) under the same name",
            "lambda = 1",
            "lmbda: 0.5",
        ),
        Deviation(
            "TRL (GOLD, Distillation), DistiLLM, TAID",
            "apply a temperature without T^2, so gradients shrink with T",
            "T^2 is part of the term",
        ),
        Deviation(
            "DistiLLM, MiniLLM, TAID",
            "minimise the cross-entropy to the teacher: the same gradient, but not 0 where the "
            "student matches",
            "the KL itself",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("lmbda", 0.0, 1.0)
        self.check_range("temperature", 0.01, 100.0)

    @property
    def needs(self) -> Need:
        """At temperature 1 the gradient, q - p, is linear in p; at another, p_T is not."""
        return need_at(self.temperature)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The soft term and, where it has any weight, the hard one."""
        log_p, log_q = tokens.pair(self.temperature)
        terms = {"kl": self.lmbda * self.temperature**2 * forward_kl(log_p, log_q)}
        if self.lmbda < 1.0:
            terms["nll"] = (1.0 - self.lmbda) * tokens.nll()
        return terms
