"""Sequence-Level Knowledge Distillation (Kim & Rush, 2016)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step


@final
@dataclass(frozen=True)
class SeqKD(Method):
    r"""Maximum likelihood of what the teacher wrote.

    .. math:: -\log q(\hat y_t | x, \hat y_{<t}), \quad \hat y \sim p(\cdot | x)

    The expectation of :math:`-\log q` under the teacher's sequence distribution (section 3.2),
    estimated with the teacher's output; how it is decoded is the recipe's ``generation``.
    """

    paper: ClassVar = Paper(
        "Sequence-Level Knowledge Distillation",
        "https://arxiv.org/abs/1606.07947",
        "English to German, LSTM of 4 x 1000 to 2 x 500: +4.2 BLEU decoded greedily.",
    )
    formula: ClassVar = "-log q(y_t | x, y_<t),  y written by the teacher"
    choices: ClassVar = Choices("the teacher's answers, once", "the next token", "cross-entropy")
    use: ClassVar = (
        "When the teacher can be read but not looked into (another tokenizer, a service), or when "
        "the simplest thing that works is wanted."
    )
    deviations: ClassVar = (
        Deviation(
            "today's practice",
            "samples one answer, where the paper takes the teacher's mode by beam search (K = 5)",
            "generation decides: temperature 1 samples (the default), 0 decodes greedily",
            "generation: {num_beams: 5}",
        ),
        Deviation(
            "MiniLLM, DistiLLM (scripts named seqkd)",
            "mix in, or use only, the word-level KL on the teacher's text",
            "likelihood alone",
            "method: {name: kd, source: teacher}",
        ),
        Deviation(
            "most scripts",
            "train on answers that were cut at the length limit, which teaches not to stop",
            "an answer without an end is left out and counted",
        ),
    )
    imitates: ClassVar = False

    @property
    def teacher_writes(self) -> bool:
        """Always."""
        return True

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Cross-entropy of each of the teacher's tokens."""
        return {"nll": tokens.nll()}
