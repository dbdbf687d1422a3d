"""f-Divergence Minimization for Sequence-Level Knowledge Distillation (Wen et al., ACL 2023)."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import total_variation
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text


@final
@dataclass(frozen=True)
class TVD(Method):
    r"""Total variation distance at every position.

    .. math:: \tfrac12 \sum_v |p_v - q_v|

    Attributes:
        source: Whose text: the data's completions, or the teacher's answers to all prompts.
    """

    source: Text = "data"

    paper: ClassVar = Paper(
        "f-Divergence Minimization for Sequence-Level Knowledge Distillation",
        "https://arxiv.org/abs/2307.15190",
        "In TAID's Table 1 (MT-Bench, Phi-3-mini to TinyLlama): 3.27 against 2.71 for the KL.",
    )
    formula: ClassVar = "1/2 sum |p - q|"
    choices: ClassVar = Choices(
        "the data's completions, or the teacher's answers (source: teacher)",
        "the teacher's distribution",
        "total variation",
    )
    use: ClassVar = (
        "When single tokens with a huge KL dominate: it is bounded by 1. Its gradient is weak "
        "where the student gives a token hardly any probability, so it starts slowly."
    )
    deviations: ClassVar = (
        Deviation(
            "most language-model repositories",
            "use the given text alone, where the paper trains on the teacher's and the student's",
            "the given text; custom trains on other text",
            "method: {name: custom, source: student, divergence: total_variation}",
        ),
        Deviation("DistillKit", "multiplies by T^2", "no temperature"),
    )

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Half the summed difference at each token."""
        return {"tvd": total_variation(*tokens.pair())}
