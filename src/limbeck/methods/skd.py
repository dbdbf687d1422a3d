"""Speculative Knowledge Distillation (Xu et al., ICLR 2025)."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from limbeck.data.batch import Sequence, Tokens
from limbeck.divergences import forward_kl, jensen_shannon, reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step
from limbeck.sources import Sources


@final
@dataclass(frozen=True)
class SKD(Method):
    r"""The student proposes, the teacher replaces what it would not say.

    A block of student tokens :math:`y_i \sim q` is checked in one pass of the teacher. The first
    one outside the teacher's k likeliest is discarded with the rest of the block, and the teacher
    says that token instead, :math:`y_i \sim p`. On the text that comes out of it,

    .. math:: \frac{1}{|y|} \sum_t D(p_t \| q_t)

    Attributes:
        k: How many of the teacher's likeliest tokens let a proposal through; the vocabulary's size
            is on-policy distillation, 1 nearly the teacher's text.
        block: How many tokens the student proposes at once.
        divergence: D; the paper's default is the forward KL.
        teacher_temperature: Of the teacher's replacements; none is generation.temperature, that of
            the student's proposals.
    """

    k: int = 25
    block: int = 5
    divergence: Literal["forward_kl", "reverse_kl", "jensen_shannon"] = "forward_kl"
    teacher_temperature: float | None = None

    paper: ClassVar = Paper(
        "Speculative Knowledge Distillation: Bridging the Teacher-Student Gap Through Interleaved "
        "Sampling",
        "https://arxiv.org/abs/2410.11325",
        "Gemma-7B to 2B (translation COMET, summaries ROUGE-L, GSM8K): 75.3, 35.0, 29.1; on-policy "
        "36.1, 34.1, 25.3; supervised KD 73.3, 34.1, 22.5.",
    )
    formula: ClassVar = (
        "D(p || q),  y: the student's tokens that are in the teacher's top k, else the teacher's"
    )
    choices: ClassVar = Choices(
        "interleaved, token by token: the student's proposals, the teacher's replacements",
        "the teacher's distribution",
        "forward KL (or reverse KL, Jensen-Shannon)",
        weight="1 / length of the sequence",
        reduction="each sequence, then the batch",
    )
    use: ClassVar = (
        "When the student is still too weak for its own text to be worth learning from, and the "
        "teacher's text is too far from what it would say. Acceptance is logged."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "takes the top k of warped probabilities, so that with a nucleus below k tokens of "
            "probability 0 count as accepted",
            "raw logits",
        ),
        Deviation(
            "the authors' code",
            "tests a token that it draws anew and keeps the one drafted before",
            "the token that is tested is the token that is kept",
        ),
        Deviation(
            "the authors' configuration",
            "asks for temperature 0.5 (student) and 0.2 (teacher); its student_temperature has no "
            "effect, because drafts use the main configuration",
            "both have one",
            "teacher_temperature: 0.2",
        ),
        Deviation(
            "the authors' code",
            "turns ids into text and back between sampling and training",
            "the sampled ids are trained on",
        ),
        Deviation(
            "the authors' code (as stored)",
            "runs the student's training pass without gradient, so that its backward pass fails",
            "with gradient",
        ),
        Deviation(
            "the authors' code",
            "supervises one position too late, so never the first token of an answer",
            "every token of the answer",
        ),
        Deviation(
            "the authors' code",
            "has both arguments of its Jensen-Shannon divergence reversed",
            "the definition",
        ),
        Deviation(
            "DistiLLM-2 (as a baseline)",
            "trains on text accepted by another rule, written before training",
            "interleaved with the student as it is now",
        ),
    )
    reduction: ClassVar = "sequences"

    def __post_init__(self) -> None:
        self.check_range("k", 1, 10**9)
        self.check_range("block", 1, 1000)
        if self.teacher_temperature is not None:
            self.check_range("teacher_temperature", 0.0, 100.0)
        self.check_choice("divergence", ("forward_kl", "reverse_kl", "jensen_shannon"))

    @property
    def student_writes(self) -> bool:
        """With the teacher."""
        return True

    @property
    def writes_together(self) -> bool:
        """Always."""
        return True

    @property
    def needs_completions(self) -> bool:
        """Both answer."""
        return False

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Algorithm 1: interleaved sampling."""
        return sources.interleaved(
            rows,
            step.sampling_seed,
            k=self.k,
            block=self.block,
            teacher_temperature=self.teacher_temperature,
        )

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """D(p || q) at every token."""
        log_p, log_q = tokens.pair()
        if self.divergence == "reverse_kl":
            return {"reverse_kl": reverse_kl(log_p, log_q)}
        if self.divergence == "jensen_shannon":
            return {"jsd": jensen_shannon(log_p, log_q, beta=0.5)}
        return {"kl": forward_kl(log_p, log_q)}
