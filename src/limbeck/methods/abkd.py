"""ABKD: Pursuing a Proper Allocation of the Probability Mass (Wang et al., ICML 2025)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import alpha_beta
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text


@final
@dataclass(frozen=True)
class ABKD(Method):
    r"""Alpha-beta divergence, beside the likelihood of the text.

    .. math:: \mu \, (-\log q(y_t)) + \lambda \, D_{AB}^{(\alpha, \beta)}(p \| q)

    Attributes:
        alpha: Exponent of the teacher: how strongly large errors count.
        beta: Exponent of the student: how strongly its own confident tokens count.
        lmbda: Weight of the divergence, at least 0.
        ce: Weight of the likelihood (mu above), at least 0.
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    alpha: float = 0.2
    beta: float = 0.7
    lmbda: float = 1.0
    ce: float = 1.0
    source: Text = "data"

    paper: ClassVar = Paper(
        "ABKD: Pursuing a Proper Allocation of the Probability Mass in Knowledge Distillation via "
        "alpha-beta-Divergence",
        "https://arxiv.org/abs/2505.04560",
        "GPT-2-XL to 0.1B, ROUGE-L: Dolly 25.65 (DistiLLM 25.32, KD 23.80), unnatural "
        "instructions 29.32 (DistiLLM 25.79).",
    )
    formula: ClassVar = (
        "ce * -log q(y_t)  -  lmbda / (alpha beta) sum [ p^alpha q^beta "
        "- alpha/(alpha+beta) p^(alpha+beta) - beta/(alpha+beta) q^(alpha+beta) ]"
    )
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution, and the next token",
        "alpha-beta divergence and cross-entropy",
        weight="lmbda and ce",
    )
    use: ClassVar = (
        "A family with two knobs in which forward KL (1, 0), reverse KL (0, 1) and Hellinger "
        "(0.5, 0.5) are points; take it when you can afford to tune both."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "leaves the likelihood of the instruction data out (kd_ratio 1), equation 7 has it",
            "both terms",
            "ce: 0",
        ),
        Deviation(
            "the authors' code",
            "divides by alpha where alpha = -beta needs alpha squared",
            "the limit, re-derived",
        ),
        Deviation(
            "the authors' GPT-2 script",
            "runs (0, 1), the reverse KL; its skip-list points to (0.2, 0.7) as the tuned pair",
            "(0.2, 0.7)",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("alpha", -10.0, 10.0)
        self.check_range("beta", -10.0, 10.0)
        self.check_range("lmbda", 0.0, 1e6)
        self.check_range("ce", 0.0, 1e6)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The divergence at each token and, where it has any weight, the likelihood."""
        log_p, log_q = tokens.pair()
        divergence = alpha_beta(log_p, log_q, alpha=self.alpha, beta=self.beta)
        terms = {"ab": self.lmbda * divergence}
        if self.ce > 0:
            terms["nll"] = self.ce * tokens.nll()
        return terms
