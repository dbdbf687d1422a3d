"""Generalised Jensen-Shannon divergence on given text."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import jensen_shannon
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text


@final
@dataclass(frozen=True)
class JSD(Method):
    r"""Jensen-Shannon divergence between teacher and student, off-policy.

    .. math:: \beta KL(p \| m) + (1 - \beta) KL(q \| m), \quad m = \beta p + (1 - \beta) q

    Attributes:
        beta: Weight of the *teacher*, inside (0, 1).
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    beta: float = 0.5
    source: Text = "data"

    paper: ClassVar = Paper(
        "On-Policy Distillation of Language Models: Learning from Self-Generated Mistakes",
        "https://arxiv.org/abs/2306.13649",
    )
    formula: ClassVar = "beta KL(p || m) + (1 - beta) KL(q || m),  m = beta p + (1 - beta) q"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution",
        "Jensen-Shannon",
    )
    use: ClassVar = (
        "A bounded compromise between kd, which covers, and revkd, which seeks a mode. Use gkd to "
        "train on the student's own text as well."
    )
    deviations: ClassVar = (
        Deviation(
            "the speculative-KD code",
            "has the arguments of both KLs the wrong way round, and ignores its beta",
            "the definition of the paper",
        ),
        Deviation(
            "DistiLLM, ABKD",
            "weigh the student by their lambda: DistiLLM's 0.9 is 0.1 here",
            "beta weighs the teacher",
            "beta: 0.1",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("beta", 1e-6, 1 - 1e-6)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Jensen-Shannon divergence at each token."""
        return {"jsd": jensen_shannon(*tokens.pair(), beta=self.beta)}
