"""Rethinking Kullback-Leibler Divergence in Knowledge Distillation (Wu et al., 2024)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import adaptive_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text


@final
@dataclass(frozen=True)
class AKL(Method):
    r"""Adaptive KL: forward for the head of the teacher's distribution, reverse for its tail.

    .. math:: w \, KL(p \| q) + (1 - w) \, KL(q \| p), \quad w = g_{head} / (g_{head} + g_{tail}),
        \quad g = \sum |p - q|

    The head is the likeliest token, and those after it while their cumulative probability stays
    within mu. No gradient flows through w.

    Attributes:
        mu: Cumulative probability that bounds the head, inside (0, 1).
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    mu: float = 0.5
    source: Text = "data"

    paper: ClassVar = Paper(
        "Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large Language Models",
        "https://arxiv.org/abs/2404.02657",
        "GPT-2 1.5B to 120M, ROUGE-L, as quoted by DPKD: 23.9 on Dolly, 19.2 on S-NI.",
    )
    formula: ClassVar = "w KL(p || q) + (1 - w) KL(q || p),  w = gap in the head / whole gap"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution",
        "forward and reverse KL",
        weight="per token, from where student and teacher differ",
    )
    use: ClassVar = "When neither KL is clearly the right one, and nobody wants to tune a mixture."
    deviations: ClassVar = (
        Deviation(
            "TAID's port",
            "makes the head's mask in sorted order and applies it in the vocabulary's order: the "
            "head is then the highest ids, and the loss nearly the reverse KL",
            "the gaps are gathered in sorted order as well",
        ),
        Deviation("TAID's port", "lets gradient through w", "w is a weight and carries none"),
        Deviation(
            "the authors' code",
            "replaces infinite logits by 0, which gives masked tokens mass",
            "a token of probability 0 keeps it",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("mu", 1e-6, 1 - 1e-6)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The adaptive KL at each token."""
        return {"akl": adaptive_kl(*tokens.pair(), mu=self.mu)}
