"""On-policy distillation as practised in 2025 and 2026."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from limbeck.data.batch import Scored, Sequence, Tokens
from limbeck.divergences import reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step
from limbeck.methods.returns import returns
from limbeck.sources import Sources, drawn_from


@final
@dataclass(frozen=True)
class OPD(Method):
    r"""Reverse KL on the student's own rollouts, over the vocabulary or at the sampled token.

    .. math:: KL(q \| p) \quad or \quad -\frac{q(y_t)}{q_{old}(y_t)} A_t, \;
        A_t = \sum_{s \ge t} \gamma^{s-t} [\log p(y_s) - \log q_{old}(y_s)]

    On the policy that sampled, both have the same expected gradient at gamma = 0: the sampled form
    is the score-function estimate of the other, and needs one number a token from the teacher.

    Attributes:
        estimator: ``full`` is the KL over the vocabulary, ``sampled`` the policy gradient.
        gamma: Discount of later rewards in the sampled form, in [0, 1]; 0 is the immediate one.
    """

    estimator: Literal["full", "sampled"] = "full"
    gamma: float = 0.0

    paper: ClassVar = Paper(
        "On-Policy Distillation (Thinking Machines Lab, 2025); Qwen3 Technical Report",
        "https://thinkingmachines.ai/blog/on-policy-distillation/",
        "AIME'24, as the Qwen3 report has it: 74.4 in 1,800 GPU hours, where reinforcement learning "
        "took 17,920; a replication from Qwen3-32B to 8B-Base reached 70.",
    )
    formula: ClassVar = (
        "KL(q || p)  or  -(q / q_old) * sum_{s >= t} gamma^(s-t) [log p - log q_old](y_s)"
    )
    choices: ClassVar = Choices(
        "the student's answers, each step",
        "the teacher's distribution, or its log-probability of the sampled token",
        "reverse KL, exact or sampled",
        weight="importance ratio (sampled)",
    )
    use: ClassVar = (
        "After an SFT of the student, when it can already answer: dense feedback on exactly the "
        "states it visits. The full form has the lower variance; take it where it fits."
    )
    deviations: ClassVar = (
        Deviation(
            "Tinker's cookbook",
            "sums over tokens, where the scale of the loss is left to the optimiser",
            "the mean over the tokens of the global batch; Adam takes the same learning rate",
        ),
        Deviation(
            "Tinker's cookbook", "trains with the sampled form", "full", "estimator: sampled"
        ),
        Deviation(
            "TRL DistillationTrainer",
            "tempers the loss as well as the sampling",
            "temperature is for sampling; the loss compares the models themselves",
        ),
        Deviation(
            "TRL MiniLLMTrainer (gamma 0)",
            "averages padding in, and lets gradient through the advantage",
            "supervised tokens only; the advantage is a number",
        ),
    )

    def __post_init__(self) -> None:
        self.check_choice("estimator", ("full", "sampled"))
        self.check_range("gamma", 0.0, 1.0)
        if self.estimator == "full" and self.gamma != 0.0:
            raise ValueError("gamma is of the sampled form: estimator: sampled")

    @property
    def looks(self) -> bool:  # type: ignore[override]
        """For the rewards, which look ahead."""
        return self.estimator == "sampled"

    @property
    def student_writes(self) -> bool:
        """Always."""
        return True

    @property
    def needs_completions(self) -> bool:
        """The student answers."""
        return False

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """The student's answers."""
        own = sources.from_student(rows, step.sampling_seed)
        if not self.weighs_samples:
            return own
        if not sources.sampling.plain:
            raise ValueError("the sampled form needs samples of the student itself: temperature 1")
        return drawn_from(own)

    @property
    def weighs_samples(self) -> bool:
        """In the sampled form, which is unbiased only for samples of the student itself."""
        return self.estimator == "sampled"

    def look(self, scored: Scored, step: Step) -> dict[str, Tensor]:
        """The advantage of each token: its own log-ratio, and what follows."""
        reward = scored.log_p - scored.log_probs
        later, _ = returns(reward, scored.row, gamma=self.gamma)
        return {"advantage": reward + self.gamma * later}

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The exact divergence, or its estimate at the sampled token."""
        if self.estimator == "full":
            return {"reverse_kl": reverse_kl(*tokens.pair())}
        ratio = (-tokens.nll() - tokens.given["log_probs"]).exp()
        return {"policy_gradient": -ratio * tokens.given["advantage"]}

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The exact divergence, on text that nobody has drawn."""
        return {"reverse_kl": reverse_kl(*tokens.pair())}
