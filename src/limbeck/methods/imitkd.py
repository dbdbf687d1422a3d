"""Autoregressive Knowledge Distillation through Imitation Learning (Lin et al., EMNLP 2020)."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from limbeck.data.batch import Author, Sequence, Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.schedules import Exponential, highest, lowest, moving
from limbeck.sources import Sources
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class ImitKD(Method):
    r"""Imitate the teacher on contexts that are more and more the student's own (DAgger).

    For each example, with probability :math:`\beta = r^{-i/I}` at step i of I, the text is the
    given one, else the student's own greedy answer. On it,

    .. math:: L_{opt} = -\log q(v^*_t), \; v^*_t = \arg\max p(v | y_{<t}) \quad or \quad
        L_{full} = KL(p \| q)

    On given text, L_opt keeps the text's own next token.

    Attributes:
        beta: Probability of the given text; decays from 1 to 1/r, r = 200.
        target: ``argmax`` is L_opt, ``full`` is L_full.
        source: Whose text the given one is: the data's, or the teacher's answers (ImitKD*).
    """

    beta: float = moving(Exponential(1.0, 1 / 200))
    target: Literal["argmax", "full"] = "argmax"
    source: Text = "data"

    paper: ClassVar = Paper(
        "Autoregressive Knowledge Distillation through Imitation Learning",
        "https://arxiv.org/abs/2009.07253",
    )
    formula: ClassVar = (
        "-log q(argmax p)  or  KL(p || q),  on the given text with probability r^(-i/I), else on "
        "the student's greedy answer"
    )
    choices: ClassVar = Choices(
        "the data's completions (or the teacher's answers), more and more the student's greedy ones",
        "the teacher's likeliest token, or its distribution",
        "cross-entropy, or forward KL",
        schedule="beta decays exponentially from 1 to 1/200",
    )
    use: ClassVar = (
        "When the student has to recover from its own mistakes and starts from scratch: the early "
        "steps are supervised, the late ones on-policy."
    )
    deviations: ClassVar = (
        Deviation(
            "DistiLLM (as a baseline)",
            "takes the student's text from a replay buffer, all of it, without decay",
            "per example, with the paper's decay",
        ),
        Deviation(
            "speculative KD (as a baseline)",
            "mixes half and half throughout",
            "the paper's decay",
            "beta: 0.5, target: full",
        ),
        Deviation(
            "the authors' CNN/DailyMail configuration",
            "decays to 1/10",
            "1/200, as for translation",
            "beta: {schedule: exponential, from: 1, to: 0.1}",
        ),
    )

    def __post_init__(self) -> None:
        self.check_range("beta", 0.0, 1.0)
        self.check_choice("target", ("argmax", "full"))

    @property
    def student_writes(self) -> bool:
        """Unless beta stays at 1."""
        return lowest(self.beta) < 1

    @property
    def needs(self) -> Need:
        """The teacher's likeliest token, whichever it is."""
        return "logits" if self.target == "argmax" else "average"

    @property
    def needs_completions(self) -> bool:
        """Unless every text is the student's."""
        return highest(self.beta) > 0 and not self.teacher_writes

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """A coin for each example decides whose context it is."""
        given = step.coins(self.beta, len(rows))
        own = [row for row, kept in zip(rows, given, strict=True) if not kept]
        written = iter(sources.from_student(own, step.sampling_seed, greedy=True) if own else ())
        return [row if kept else next(written) for row, kept in zip(rows, given, strict=True)]

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The teacher's token, or its distribution, in the context at hand."""
        log_p, log_q = tokens.pair()
        if self.target == "full":
            return {"kl": forward_kl(log_p, log_q)}
        own = tokens.author == Author.STUDENT
        return {"nll": tokens.nll(torch.where(own, log_p.argmax(-1), tokens.label))}
