"""On-Policy Distillation of Language Models (Agarwal et al., ICLR 2024)."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Sequence, Tokens
from limbeck.divergences import forward_kl, jensen_shannon, reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, Text
from limbeck.schedules import highest, lowest
from limbeck.sources import Sources
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class GKD(Method):
    r"""Generalised knowledge distillation: learn from one's own mistakes.

    .. math:: (1 - \lambda) E_{(x, y) \sim data} [D(p \| q)(y | x)]
        + \lambda E_{x} E_{y \sim q(\cdot | x)} [D(p \| q)(y | x)],
        \quad D(p \| q)(y | x) = \frac{1}{|y|} \sum_t D(p_t \| q_t)

    No gradient flows through the sampling of y.

    Attributes:
        lmbda: Fraction of the *student's own* text, in [0, 1]; 0 is supervised, 1 fully on-policy.
        beta: Weight of the *teacher* in D, in [0, 1]: 0 is the forward KL, 1 the reverse KL, in
            between the generalised Jensen-Shannon divergence.
        source: Whose text the other batches are: the data's, or the teacher's answers.
        rescale: Divide the interior by beta (1 - beta), which makes D continuous in beta: it tends
            to the forward KL at 0 and to the reverse KL at 1, and is of their size in between.
    """

    lmbda: float = 0.5
    beta: float = 0.5
    source: Text = "data"
    rescale: bool = False

    paper: ClassVar = Paper(
        "On-Policy Distillation of Language Models: Learning from Self-Generated Mistakes",
        "https://arxiv.org/abs/2306.13649",
        "T5-XL to small, base and large: gains 2.1 (XSum), 1.7 (WMT), 1.9 (GSM8K) times those of "
        "supervised distillation, at 1.8 to 2.2 times its cost.",
    )
    formula: ClassVar = (
        "JSD_beta(p || q) = beta KL(p || m) + (1 - beta) KL(q || m),  m = beta p + (1 - beta) q"
    )
    choices: ClassVar = Choices(
        "the student's answers with probability lmbda, else the data's (or the teacher's)",
        "the teacher's distribution",
        "forward KL (beta 0), Jensen-Shannon, reverse KL (beta 1)",
        weight="1 / length of the sequence",
        reduction="each sequence, then the batch",
    )
    use: ClassVar = (
        "When the student will be used on its own text, as all are, and generating at each step "
        "can be afforded. Start from a fine-tuned student (student: {sft: ...})."
    )
    deviations: ClassVar = (
        Deviation(
            "TRL GKDTrainer",
            "draws lambda per micro-batch and process",
            "one draw decides the whole optimiser batch, the same on all ranks (Algorithm 1)",
        ),
        Deviation(
            "TRL GKDTrainer",
            "samples at temperature 0.9 by default, and asks its seq_kd only where the draw fails",
            "generation.temperature is 1; source chooses whose text the other batches are",
            "generation: {temperature: 0.9}",
        ),
        Deviation(
            "TRL GKDTrainer",
            "averages over tokens, with a count taken before the text is replaced",
            "each sequence first, as in the paper",
        ),
        Deviation(
            "TRL, and the paper's definition",
            "the interior of beta tends to 0 at both ends, so beta = 0.01 is a tiny "
            "Jensen-Shannon divergence, not nearly the forward KL; only exactly 0 and 1 are the KLs",
            "the same, and an option without the jump",
            "rescale: true",
        ),
        Deviation(
            "TRL before March 2025, DistiLLM, ABKD",
            "weigh the student: their 0.9 is 0.1 here",
            "beta weighs the teacher",
            "beta: 0.1",
        ),
        Deviation(
            "DistiLLM, TAID (as a baseline)",
            "train on a random draw from a replay buffer",
            "on what the student wrote for this very batch",
        ),
    )
    reduction: ClassVar = "sequences"

    def __post_init__(self) -> None:
        self.check_range("lmbda", 0.0, 1.0)
        self.check_range("beta", 0.0, 1.0)

    @property
    def teacher_writes(self) -> bool:
        """Where the off-policy batches are to be the teacher's."""
        return self.source == "teacher" and lowest(self.lmbda) < 1

    @property
    def student_writes(self) -> bool:
        """Unless lambda is 0."""
        return highest(self.lmbda) > 0

    @property
    def needs(self) -> Need:
        """The gradient of the forward KL is linear in p, that of the others is not."""
        return "average" if highest(self.beta) == 0 else "events"

    @property
    def needs_completions(self) -> bool:
        """Fully on-policy training reads prompts only; its other batches need an answer."""
        return lowest(self.lmbda) < 1 and not self.teacher_writes

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Algorithm 1, first half: one coin per step decides who wrote y."""
        if step.coin(self.lmbda):
            return sources.from_student(rows, step.sampling_seed)
        return list(rows)

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Algorithm 1, second half: D(p || q) at every token of y."""
        log_p, log_q = tokens.pair()
        if self.beta == 0.0:
            return {"kl": forward_kl(log_p, log_q)}
        if self.beta == 1.0:
            return {"reverse_kl": reverse_kl(log_p, log_q)}
        scale = 1 / (self.beta * (1 - self.beta)) if self.rescale else 1.0
        return {"jsd": scale * jensen_shannon(log_p, log_q, beta=self.beta)}
