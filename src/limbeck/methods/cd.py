"""Checkpoint distillation: the teacher's training path in its own order."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from limbeck.data.batch import Tokens
from limbeck.divergences import forward_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step, need_at
from limbeck.methods.lab import Lab
from limbeck.targets import Need


@final
@dataclass(frozen=True)
class CD(Method):
    r"""Learn from the checkpoints of the teacher's fine-tuning, one after the other.

    .. math:: (1 - \lambda) \, (-\log q(y_t)) + \lambda \, T^2 \, KL(p^{(k)}_T \| q_T),
        \quad k = 1 \dots N

    A stage for each checkpoint, with a new optimiser and learning-rate schedule; the best student
    by the likelihood of the validation text is kept.

    Attributes:
        lmbda: Weight of the *teacher*, in [0, 1].
        temperature: T, softens both sides.
    """

    lmbda: float = 0.5
    temperature: float = 1.0

    paper: ClassVar = Paper(
        "Pro-KD: Progressive Distillation by Following the Footsteps of the Teacher; the baseline CD "
        "of Scheduled Checkpoint Distillation",
        "https://arxiv.org/abs/2110.08532",
        "In SCD's table (Llama-3.1-8B to 3.2-3B, mean of seven columns): 0.739; TD 0.727, TAID 0.729.",
    )
    formula: ClassVar = (
        "(1 - lmbda) * -log q(y_t)  +  lmbda * T^2 * KL(p_k || q),  k = 1..N in order"
    )
    choices: ClassVar = Choices(
        "the data's completions",
        "a checkpoint of the teacher's fine-tuning, and the next token",
        "forward KL and cross-entropy",
        weight="lmbda * T^2 and 1 - lmbda",
        reduction="each sequence, then the batch",
        schedule="the checkpoints in order, a stage each",
    )
    use: ClassVar = (
        "When you fine-tune the teacher yourself: early checkpoints are easier to follow. scd "
        "chooses among them instead of taking them in order."
    )
    deviations: ClassVar = (
        Deviation(
            "SCD's paper",
            "does not say which weight the cross-entropy has",
            "one half",
        ),
    )
    reduction: ClassVar = "sequences"
    keeps_best: ClassVar = True

    def __post_init__(self) -> None:
        self.check_range("lmbda", 0.0, 1.0)
        self.check_range("temperature", 0.01, 100.0)

    @property
    def needs(self) -> Need:
        """See `KD.needs`; a cache holds one teacher, so a path of them has none."""
        return need_at(self.temperature)

    @property
    def needs_path(self) -> bool:
        """Always."""
        return True

    def number_of_rounds(self, checkpoints: int) -> int:
        """One for each checkpoint."""
        return checkpoints

    def teacher_checkpoint(self, lab: Lab) -> int:
        """The next one."""
        return lab.round

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The soft term and, where it has any weight, the hard one."""
        log_p, log_q = tokens.pair(self.temperature)
        terms = {"kl": self.lmbda * self.temperature**2 * forward_kl(log_p, log_q)}
        if self.lmbda < 1.0:
            terms["nll"] = (1.0 - self.lmbda) * tokens.nll()
        return terms
