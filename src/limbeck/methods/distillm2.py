"""DistiLLM-2: A Contrastive Approach Boosts the Distillation of LLMs (Ko et al., ICML 2025)."""

from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from limbeck.data.batch import Author, Scored, Sequence, Tokens
from limbeck.divergences import skew_kl, skew_reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Cost, Method, Step
from limbeck.methods.lab import Lab
from limbeck.schedules import Linear, State, moving
from limbeck.sources import Sources

SMALLEST = 0.01  # alpha's lower clip, equation 7


@final
@dataclass(frozen=True)
class DistiLLM2(Method):
    r"""Pull the student up on the teacher's text, push it down on its own, for the same prompt.

    .. math:: \frac{1}{2 |D|} \sum_{(x, y_t, y_s)} (1 - \beta) \, SKL^{(\alpha_t)}(x, y_t)
        + \beta \, SRKL^{(\alpha_s)}(x, y_s)

    Each round, both write anew. From the second round on, alpha follows each sequence's
    difficulty: with :math:`\bar p = \exp(\frac{1}{L} \sum \log p)`, :math:`d = \bar p - \bar q` on
    the teacher's text (:math:`\bar q - \bar p` on the student's), and m the mean of d in the
    first round, :math:`\alpha = clip(1 - (1 - \alpha_0) m / d, 0.01, \alpha_0)`.

    Attributes:
        alpha: The base skew alpha_0, in [0.01, 1).
        beta: Weight of the student's text, in [0, 1].
        curriculum: Let alpha follow the difficulty.
        detach_mixture: Let no gradient through the mixture of the SRKL.
        rounds: How often both write anew.
        text: Who wrote what the student is pulled to: the ``teacher``, the ``data`` (other authors,
            as in the paper's ablation of sources, figure 2), or ``mixed``, each for half of the rows.
    """

    alpha: float = 0.1
    beta: float = moving(Linear(0.5, 0.75, until=0.5))
    curriculum: bool = True
    detach_mixture: bool = False
    rounds: int = 3
    text: Literal["teacher", "data", "mixed"] = "teacher"

    paper: ClassVar = Paper(
        "DistiLLM-2: A Contrastive Approach Boosts the Distillation of LLMs",
        "https://arxiv.org/abs/2503.07067",
        "Mean win rate, Qwen2-7B to 1.5B, Mistral-7B to Danube2-1.8B, Gemma-2-9B to 2B: 58.7, 56.5, "
        "74.8 (DistiLLM 56.4, 52.4, 70.3; GKD 56.1, 50.7, 69.7; KD 41.2, 40.0, 49.5).",
    )
    formula: ClassVar = (
        "(1 - beta) KL(p || alpha p + (1 - alpha) q) on the teacher's text  +  "
        "beta KL(q || (1 - alpha) p + alpha q) on the student's"
    )
    choices: ClassVar = Choices(
        "the teacher's answers and the student's, in pairs, both new each round",
        "the teacher's distribution",
        "skew KL on the teacher's text, skew reverse KL on the student's",
        weight="1 - beta and beta, 1 / length of the sequence",
        reduction="each sequence, then the batch",
        schedule="beta from 0.5 to 0.75 by half of the training; alpha by difficulty from round 2",
    )
    use: ClassVar = (
        "The strongest general method of the four papers where both models can write: the cost of "
        "generation is paid once a round, not each step. Start from a fine-tuned student."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "has both curricula switched off without an option to switch them on: it is the "
            "static contrastive loss with alpha 0.1",
            "both on",
            "curriculum: false, beta: 0.5",
        ),
        Deviation(
            "the authors' code",
            "reads its anchor from a key that does not exist and swallows the error, so alpha "
            "could not change even if switched on",
            "the mean of d over the first round, over all ranks",
        ),
        Deviation(
            "the authors' code",
            "detaches the mixture of the SRKL, a stronger push where the student is too sure",
            "the gradient of the formula",
            "detach_mixture: true",
        ),
        Deviation(
            "the paper, Algorithm 1",
            "reads beta = clip(e/E + tau/T, 0.5, 1), which gives the teacher's text no weight for "
            "most of the training",
            "the code's ramp, 0.5 to 0.75 by half of the training, over all rounds",
            "beta: {schedule: sawtooth, from: 0.5, to: 1}",
        ),
        Deviation(
            "the paper, Algorithm 1",
            "pairs alpha_t with the student's text",
            "as in the code: p - q belongs to the teacher's text, q - p to the student's",
        ),
        Deviation(
            "the authors' code",
            "gives a sequence on which the student is ahead (d < 0) the largest alpha, and lets "
            "gradient through alpha",
            "d is kept above 0, so it gets the smallest; alpha is a number",
        ),
        Deviation(
            "the authors' code",
            "takes softmaxes in bfloat16, and its test split is the first 500 training pairs",
            "float32; splits share no prompt",
        ),
        Deviation(
            "the authors' code",
            "is one run an epoch, so a ramp of beta would restart in each",
            "the ramp is over all rounds",
        ),
        Deviation(
            "the authors' code",
            "weighs by 2 - beta and beta, four times the paper's scale",
            "the paper's scale, 1 / (2 |D|)",
        ),
    )
    reduction: ClassVar = "sequences"
    looks: ClassVar = True
    settled: ClassVar = frozenset({"rounds"})

    def __post_init__(self) -> None:
        self.check_range("alpha", SMALLEST, 1 - 1e-6)
        self.check_range("beta", 0.0, 1.0)
        self.check_range("rounds", 1, 1000)
        self.check_choice("text", ("teacher", "data", "mixed"))

    @property
    def teacher_writes(self) -> bool:
        """In each round, unless all text is the data's."""
        return self.text != "data"

    @property
    def student_writes(self) -> bool:
        """In each round."""
        return True

    @property
    def cost(self) -> Cost:
        """Generation is paid once a round."""
        return (
            "both write once a round" if self.teacher_writes else "the student writes once a round"
        )

    def number_of_rounds(self, checkpoints: int) -> int:
        """As many as are asked for."""
        return self.rounds

    def prepare(self, lab: Lab) -> list[Sequence]:
        """y_t from the teacher, y_s from the student of the last round."""
        return lab.answered_by_student(self._given(lab))

    def _given(self, lab: Lab) -> list[Sequence]:
        if self.text == "data":
            return lab.labelled()
        written = lab.answered_by_teacher()
        others = {s.example: s for s in lab.labelled()} if self.text == "mixed" else {}
        return [others.get(s.example, s) if s.example % 2 else s for s in written]

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Each row becomes a pair; what the round did not write of the student's side, it writes now."""
        alone = [row for row in rows if not row.rejected]
        own = iter(sources.from_student(alone, step.sampling_seed) if alone else ())
        return [s for row in rows for s in (row.pair() if row.rejected else [row, next(own)])]

    def look(self, scored: Scored, step: Step) -> dict[str, Tensor]:
        """D and alpha of each sequence."""
        of_teacher = scored.author != Author.STUDENT
        ahead = scored.mean_of(scored.log_p).exp() - scored.mean_of(scored.log_q).exp()
        d = torch.where(of_teacher, ahead, -ahead)
        found = {
            "gap_teacher": torch.where(of_teacher, d, 0.0),
            "gap_student": torch.where(of_teacher, 0.0, d),
        }
        m = torch.where(of_teacher, step.state["m_teacher"], step.state["m_student"])
        return {**found, "alpha": self._alpha(d, m, first=step.round == 0)}

    def _alpha(self, d: Tensor, m: Tensor, first: bool) -> Tensor:
        """Equation 7; the base value in the first round, and where there is no anchor above 0."""
        if first or not self.curriculum:
            return torch.full_like(d, self.alpha)
        alpha = 1 - (1 - self.alpha) * m / d.clamp(min=1e-6)
        return torch.where(m > 0, alpha.clamp(SMALLEST, self.alpha), self.alpha)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Equation 2: SKL on the teacher's text, SRKL on the student's."""
        log_p, log_q = tokens.pair()
        alpha = tokens.given["alpha"].to(tokens.logits.dtype)
        of_teacher = tokens.author != Author.STUDENT
        pull = skew_kl(log_p, log_q, alpha=alpha)
        push = skew_reverse_kl(log_p, log_q, alpha=alpha, detach_mixture=self.detach_mixture)
        return {
            "pull": (1 - self.beta) * torch.where(of_teacher, pull, 0.0),
            "push": self.beta * torch.where(of_teacher, 0.0, push),
        }

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The pull towards given text, at the base skew."""
        return {"pull": skew_kl(*tokens.pair(), alpha=self.alpha)}

    def init(self) -> dict[str, float]:
        """No anchor yet."""
        return {"m_teacher": 0.0, "m_student": 0.0}

    def update(self, means: Mapping[str, float], step: Step) -> State:
        """The anchors are the means of d over the steps of the first round; then they stay."""
        if step.round > 0:
            return step.state
        found = dict(step.state)
        for side in ("teacher", "student"):  # half of all sequences are of one side
            m, gap = found[f"m_{side}"], 2 * means[f"gap_{side}"]
            found[f"m_{side}"] = m + (gap - m) / step.index
        return found
