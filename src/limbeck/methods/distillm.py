"""DistiLLM: Towards Streamlined Distillation for Large Language Models (Ko et al., ICML 2024)."""

import random
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from limbeck.data.batch import Sequence, Tokens
from limbeck.divergences import skew_kl, skew_reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.schedules import ValidationDriven, highest, lowest, moving
from limbeck.sources import Sources


@final
@dataclass(frozen=True)
class DistiLLM(Method):
    r"""Skew divergences, and the student's text as much as it needs, from a replay buffer.

    .. math:: KL(p \| \alpha p + (1 - \alpha) q) \quad or \quad KL(q \| (1 - \alpha) p + \alpha q)

    With one draw u for each step and progress s: where :math:`u < \phi (1 - s)`, the student
    writes and the buffer keeps it; where :math:`u < \phi`, the buffer is trained on (until it is
    full, the student writes there too); else the given text. :math:`\phi` rises by 0.1 whenever
    the validation loss has risen from one evaluation to the next; the paper evaluates once an
    epoch, ``training.eval_steps`` decides here.

    Attributes:
        divergence: ``skew_kl`` (SKL) or ``skew_reverse_kl`` (SRKL).
        alpha: How much of its first argument is mixed into the second, in [0, 1).
        phi: Probability of the student's text, in [0, 1].
        replay: How the share that is written anew changes: ``decreasing`` is phi (1 - s),
            ``constant`` phi / 2, ``increasing`` phi s.
        trains_on: After the student has written: on that ``fresh`` batch, or on a draw of the
            ``buffer``.
        capacity: Sequences in the buffer of each process.
        lm_coef: Weight of the likelihood of the ``corpus``, at least 0.
        source: Whose text the given one is: the data's, or the teacher's answers.
    """

    divergence: Literal["skew_kl", "skew_reverse_kl"] = "skew_kl"
    alpha: float = 0.1
    phi: float = moving(ValidationDriven(0.0, 1.0, step=0.1, tolerance=0.1))
    replay: Literal["decreasing", "constant", "increasing"] = "decreasing"
    trains_on: Literal["fresh", "buffer"] = "fresh"
    capacity: int = 1000
    lm_coef: float = 0.0
    source: Text = "data"

    paper: ClassVar = Paper(
        "DistiLLM: Towards Streamlined Distillation for Large Language Models",
        "https://arxiv.org/abs/2402.03898",
        "GPT-2-XL to 0.1B: 2.5 to 4.3 times faster than other methods on student text; S-NI KL 20.7, "
        "SKL 26.3, SRKL 25.8; adaptive 25.9 against on-policy 24.3 on Dolly.",
    )
    formula: ClassVar = "KL(p || alpha p + (1 - alpha) q)  or  KL(q || (1 - alpha) p + alpha q)"
    choices: ClassVar = Choices(
        "the data's completions (or the teacher's answers), the student's, and its earlier ones",
        "the teacher's distribution",
        "skew KL or skew reverse KL",
        schedule="phi rises when the validation loss rises; fresh text becomes rarer",
    )
    use: ClassVar = (
        "On-policy learning at a fraction of its cost: the student writes only where the "
        "validation loss says that it must. Needs validation rows with completions."
    )
    deviations: ClassVar = (
        Deviation(
            "the paper, Algorithm 1",
            "draws from the buffer even when the student has just written",
            "the fresh batch, as in the authors' code, which is less stale",
            "trains_on: buffer",
        ),
        Deviation(
            "the authors' code (HEAD)",
            "stops with a TypeError for every loss that is not adaptive; the OpenLLaMA script's "
            "type, srkl-aesop, trains on the data alone",
            "all of them run",
        ),
        Deviation(
            "the authors' code",
            "compares the validation loss with that of the last rise of phi",
            "with the evaluation before, as in the paper",
            "phi: {schedule: validation_driven, from: 0, to: 1, compare: trigger}",
        ),
        Deviation(
            "the authors' code",
            "supervises the student's text one position too late, and strips its end",
            "every token of the answer, its end included",
        ),
        Deviation(
            "the authors' code",
            "minimises the cross-entropy to the mixture: the same gradient, another number",
            "the divergence, 0 where the student matches",
        ),
        Deviation(
            "the paper and its scripts",
            "add the likelihood of a pre-training corpus (OpenWebText) with weight 1",
            "without it, because no such text is at hand by itself; name one with corpus:",
            "lm_coef: 1",
        ),
    )
    settled: ClassVar = frozenset({"capacity"})

    def __post_init__(self) -> None:
        self.check_choice("divergence", ("skew_kl", "skew_reverse_kl"))
        self.check_range("alpha", 0.0, 1 - 1e-6)
        self.check_range("phi", 0.0, 1.0)
        self.check_choice("replay", ("decreasing", "constant", "increasing"))
        self.check_choice("trains_on", ("fresh", "buffer"))
        self.check_range("capacity", 1, 10**7)
        self.check_range("lm_coef", 0.0, 1e6)

    @property
    def student_writes(self) -> bool:
        """Unless phi stays at 0."""
        return highest(self.phi) > 0

    @property
    def needs_completions(self) -> bool:
        """Unless every text is the student's."""
        return lowest(self.phi) < 1 and not self.teacher_writes

    @property
    def buffer_size(self) -> int:
        """The capacity."""
        return self.capacity

    @property
    def needs_corpus(self) -> bool:
        """For the pre-training loss."""
        return highest(self.lm_coef) > 0

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Algorithm 1: one draw decides between the given text, new text and the buffer."""
        u = random.Random(f"phi/{step.seed}/{step.name}").random()
        chosen = self._choose(rows, sources, step, u)
        return sources.beside(chosen, step.sampling_seed) if self.needs_corpus else chosen

    def _choose(
        self, rows: Rows[Sequence], sources: Sources, step: Step, u: float
    ) -> list[Sequence]:
        share = {"decreasing": 1 - step.progress, "constant": 0.5, "increasing": step.progress}
        empty = not sources.replay.full and (self.trains_on == "fresh" or not sources.replay.rows)
        if u < self.phi * share[self.replay] or (u < self.phi and empty):
            fresh = sources.from_student(rows, step.sampling_seed)
            sources.replay.push(fresh)
            if self.trains_on == "fresh":
                return fresh
        return sources.replay.draw(len(rows), step.sampling_seed) if u < self.phi else list(rows)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The skew divergence at each token and, with a corpus, its likelihood."""
        log_p, log_q = tokens.pair()
        if self.divergence == "skew_kl":
            terms = {"skew_kl": skew_kl(log_p, log_q, alpha=self.alpha)}
        else:
            terms = {"skew_reverse_kl": skew_reverse_kl(log_p, log_q, alpha=self.alpha)}
        if self.needs_corpus:
            terms = {name: torch.where(tokens.corpus, 0.0, value) for name, value in terms.items()}
            terms["lm"] = self.lm_coef * torch.where(tokens.corpus, tokens.nll(), 0.0)
        return terms
