"""Supervised fine-tuning: the baseline every distillation must beat."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.methods.about import Choices, Paper
from limbeck.methods.base import Method, Step


@final
@dataclass(frozen=True)
class SFT(Method):
    r"""Maximum likelihood of the data's completions; asks no teacher.

    .. math:: -\log q(y_t | x, y_{<t})

    Averaged over the supervised tokens of the global batch.
    """

    paper: ClassVar = Paper(
        "Training language models to follow instructions with human feedback (step 1)",
        "https://arxiv.org/abs/2203.02155",
    )
    formula: ClassVar = "-log q(y_t | x, y_<t)"
    choices: ClassVar = Choices("the data's completions", "the next token", "cross-entropy")
    use: ClassVar = "The baseline that every distillation must beat, and the preparation of teacher and student."
    imitates: ClassVar = False

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Cross-entropy of each token."""
        return {"nll": tokens.nll()}
