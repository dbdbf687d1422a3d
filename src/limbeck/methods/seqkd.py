"""Sequence-Level Knowledge Distillation (Kim & Rush, 2016)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.methods.base import Choices, Method, Paper, Step


@final
@dataclass(frozen=True)
class SeqKD(Method):
    r"""Maximum likelihood of what the teacher wrote.

    .. math:: -\log q(\hat y_t | x, \hat y_{<t}), \quad \hat y \sim p(\cdot | x)

    The expectation of :math:`-\log q` under the teacher's sequence distribution (section 3.2),
    estimated with the teacher's output; how it is decoded is the recipe's ``generation``.
    """

    paper: ClassVar = Paper(
        "Sequence-Level Knowledge Distillation", "https://arxiv.org/abs/1606.07947"
    )
    formula: ClassVar = "-log q(y_t | x, y_<t),  y written by the teacher"
    choices: ClassVar = Choices("the teacher's answers, once", "the next token", "cross-entropy")
    deviations: ClassVar = (
        "The paper takes the teacher's mode by beam search (K = 5); here, as in today's practice, "
        "generation.temperature decides: 1 samples (the default), 0 decodes greedily.",
        "MiniLLM's and DistiLLM's scripts named seqkd mix in or use only the word-level KL on the "
        "teacher's text; here that is kd with source: teacher.",
        "An answer that reached max_new_tokens has no end; it is left out and counted.",
    )
    imitates: ClassVar = False

    @property
    def teacher_writes(self) -> bool:
        """Always."""
        return True

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Cross-entropy of each of the teacher's tokens."""
        return {"nll": tokens.nll()}
