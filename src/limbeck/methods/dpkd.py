"""Direct Preference Knowledge Distillation for Large Language Models (Li et al., 2024)."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from limbeck.data.batch import Author, Scored, Sequence, Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step
from limbeck.schedules import highest
from limbeck.sources import Sources


@final
@dataclass(frozen=True)
class DPKD(Method):
    r"""Prefer the teacher's answer to one's own, as in DPO with the teacher as reference.

    .. math:: -\log \sigma(h), \quad
        h = \frac{\beta}{|y_t|} \log \frac{q(y_t)}{p(y_t)}
        - \frac{\beta}{|y_s|} \log \frac{q(y_s)}{p(y_s)}

    y_t is the teacher's answer to a prompt, y_s the student's, sampled at each step.

    Attributes:
        beta: Sharpness of the preference, above 0.
        lm_coef: Weight of the likelihood of the ``corpus``, at least 0.
    """

    beta: float = 0.1
    lm_coef: float = 0.0

    paper: ClassVar = Paper(
        "Direct Preference Knowledge Distillation for Large Language Models",
        "https://arxiv.org/abs/2406.19774",
        "GPT-2 1.5B to 120M, ROUGE-L on Dolly, SelfInst, S-NI: 24.6, 13.8, 25.4; without the length "
        "norm 22.8. The released code is another method: see dpkd-token.",
    )
    formula: ClassVar = (
        "-log sigmoid( beta/|y_t| log q(y_t)/p(y_t)  -  beta/|y_s| log q(y_s)/p(y_s) )"
    )
    choices: ClassVar = Choices(
        "the teacher's answers beside the student's, sampled at each step",
        "the teacher's log-probability of both answers",
        "logistic loss of their margin",
        weight="1 / length of the sequence",
        reduction="pairs",
    )
    use: ClassVar = (
        "For comparison. A faithful implementation drives down what the student says faster than "
        "it raises what the teacher says; DistiLLM-2 measured 6.9 where the paper reports 24.6."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "samples no answers: it compares the two models' likeliest tokens at each position of "
            "a fixed text",
            "whole answers, equation 9",
            "method: dpkd-token",
        ),
        Deviation(
            "the paper and its scripts",
            "add the likelihood of a pre-training corpus (weight 0.5; without it ROUGE-L falls from "
            "24.6 to 23.5)",
            "without it, because no such text is at hand by itself; name one with corpus:",
            "lm_coef: 0.5",
        ),
    )
    reduction: ClassVar = "sequences"
    looks: ClassVar = True

    def __post_init__(self) -> None:
        self.check_range("beta", 1e-6, 1e6)
        self.check_range("lm_coef", 0.0, 1e6)

    @property
    def teacher_writes(self) -> bool:
        """Once; the student answers beside it at each step."""
        return True

    @property
    def student_writes(self) -> bool:
        """At each step."""
        return True

    @property
    def needs_corpus(self) -> bool:
        """For the pre-training loss."""
        return highest(self.lm_coef) > 0

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Algorithm 1: y_s beside each y_t."""
        own = sources.from_student(rows, step.sampling_seed)
        pairs = [[theirs, mine] for theirs, mine in zip(rows, own, strict=True)]
        if self.needs_corpus:
            texts = sources.beside(rows, step.sampling_seed)[1::2]
            pairs = [[*pair, text] for pair, text in zip(pairs, texts, strict=True)]
        return [s for group in pairs for s in group]

    def look(self, scored: Scored, step: Step) -> dict[str, Tensor]:
        r"""The margin h of each pair, at every token of both.

        The loss is no sum over tokens, but its gradient is: :math:`-\sigma(-h) \nabla h`, and h
        is a difference of two means of log-probabilities.
        """
        ratio = scored.mean_of(scored.log_q - scored.log_p)
        first = torch.ones_like(scored.row, dtype=torch.bool)
        first[1:] = scored.row[1:] != scored.row[:-1]
        of_student = scored.author == Author.STUDENT
        of_teacher = ~of_student & (scored.author != Author.CORPUS)
        theirs, mine = ratio[first & of_teacher], ratio[first & of_student]
        if len(theirs) != len(mine):
            raise ValueError(
                f"{len(theirs)} answers of the teacher against {len(mine)} of the student"
            )
        h = self.beta * (theirs - mine)
        found = torch.zeros_like(ratio)
        for side in (of_teacher, of_student):
            found[side] = h[(first & side).cumsum(0)[side] - 1]
        return {"margin": found}

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The pair's loss at each token of both, whose means over tokens and pairs are equation 9.

        Each of the 2 n sequences counts for 1 / (2 n), so the slope of a token is twice that of h.
        """
        h, nll = tokens.given["margin"].to(tokens.logits.dtype), tokens.nll()
        sign = torch.where(tokens.author == Author.STUDENT, -1.0, 1.0).to(h.dtype)
        slope = -2 * self.beta * sign * torch.sigmoid(-h)
        preference = softplus(-h) + slope * (nll.detach() - nll)
        if not self.needs_corpus:
            return {"preference": preference}
        return {
            "preference": torch.where(tokens.corpus, 0.0, preference),
            "lm": self.lm_coef * torch.where(tokens.corpus, nll, 0.0),
        }

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """One text has no margin: the KL to the teacher, whose answer is to be preferred."""
        return {"kl": forward_kl(*tokens.pair())}
