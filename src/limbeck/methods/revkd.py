"""Token-level reverse KL: the mode-seeking direction."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text


@final
@dataclass(frozen=True)
class RevKD(Method):
    r"""Reverse KL over the whole vocabulary at every position of given text.

    .. math:: KL(q(\cdot | x, y_{<t}) \| p(\cdot | x, y_{<t}))

    Exact in the vocabulary, no policy gradient: MiniLLM differentiates the *sequence*
    distribution as well, and is another method.

    Attributes:
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    source: Text = "data"

    paper: ClassVar = Paper(
        "MiniLLM: Knowledge Distillation of Large Language Models (its single-step term)",
        "https://arxiv.org/abs/2306.08543",
    )
    formula: ClassVar = "KL(q || p)"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution",
        "reverse KL",
    )
    use: ClassVar = (
        "When the student is far too small to cover all that the teacher may say, and should "
        "rather say one thing well. Watch the truncation rate: it can collapse."
    )
    deviations: ClassVar = (
        Deviation(
            "the generalisation-fidelity study",
            "averages over prompt tokens as well; its runs collapse on short answers",
            "only the completion is supervised",
        ),
        Deviation(
            "DistiLLM-2 (an unused branch)",
            "has the opposite sign",
            "KL(q || p), at least 0",
        ),
    )

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Reverse KL at each token."""
        return {"reverse_kl": reverse_kl(*tokens.pair())}
