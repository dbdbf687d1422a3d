"""What a distillation method is."""

import abc
import random
from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from limbeck.data.batch import Sequence, Tokens
from limbeck.sources import Sources, seed_for
from limbeck.targets import Need

State = Mapping[str, float]
Text = Literal["data", "teacher"]


@dataclass(frozen=True)
class Paper:
    """Where a method comes from."""

    title: str
    url: str


@dataclass(frozen=True)
class Choices:
    """The five choices a method makes, and what moves them, in plain words."""

    source: str
    target: str
    divergence: str
    weight: str = "1"
    reduction: str = "tokens of the global batch"
    schedule: str = "none"


@dataclass(frozen=True)
class Step:
    """One optimiser step: how far training is, and what the method remembers.

    Attributes:
        index: Steps done before this one.
        total: Steps of the whole training.
        seed: The run's seed.
        rank: This process.
        state: The method's state, as `Method.update` left it.
    """

    index: int
    total: int
    seed: int = 0
    rank: int = 0
    state: State = field(default_factory=dict)

    @property
    def progress(self) -> float:
        """Fraction of the training done, in [0, 1]."""
        return self.index / max(self.total, 1)

    def coin(self, probability: float) -> bool:
        """A biased coin, the same on every rank and after every resume."""
        return random.Random(f"{self.seed}/{self.index}").random() < probability

    @property
    def sampling_seed(self) -> int:
        """A seed for this step's samples; ranks differ, because their prompts do."""
        return seed_for("step", self.seed, self.index, self.rank)


class Lab(Protocol):
    """What a method may ask for when it prepares a round's text."""

    def labelled(self) -> list[Sequence]:
        """The training rows that came with a completion, as they are."""
        ...

    def prompts(self) -> list[Sequence]:
        """All training rows, whether or not they came with a completion."""
        ...

    def answered_by_teacher(self) -> list[Sequence]:
        """All training prompts with the teacher's completion; unfinished ones are left out."""
        ...


@dataclass(frozen=True)
class Method(abc.ABC):
    """A method from a paper: a frozen dataclass whose fields are the paper's symbols.

    Only `loss` must be written. Subclasses are final and never import one another: what they
    share is mathematics, and it lives in functions.

    Class attributes:
        paper: Where it comes from.
        formula: The objective, in plain text.
        choices: The five choices of this method.
        deviations: How released code differs from the paper, and what is done here.
        reduction: ``"tokens"`` averages over all supervised tokens of the global batch,
            ``"sequences"`` over each sequence first.
        imitates: Whether the loss asks the teacher for its distribution.
    """

    paper: ClassVar[Paper]
    formula: ClassVar[str]
    choices: ClassVar[Choices]
    deviations: ClassVar[tuple[str, ...]] = ()
    reduction: ClassVar[Literal["tokens", "sequences"]] = "tokens"
    imitates: ClassVar[bool] = True

    @property
    def teacher_writes(self) -> bool:
        """Whether the teacher answers the prompts before training."""
        return getattr(self, "source", "data") == "teacher"

    @property
    def needs(self) -> Need:
        """How much of the teacher's distribution the loss must see; a cache may hold less.

        A loss whose gradient for the student's logits is linear in p may say ``average``.
        """
        return "events" if self.imitates else "nothing"

    @property
    def student_writes(self) -> bool:
        """Whether the student answers prompts during training."""
        return False

    def prepare(self, lab: Lab) -> list[Sequence]:
        """The text of the round: the data's own, or the teacher's answers to all prompts."""
        return lab.answered_by_teacher() if self.teacher_writes else lab.labelled()

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Choose what to train on in this optimiser step, before its tokens are counted.

        Args:
            rows: The prepared sequences of the whole accumulation window of this rank.
            sources: Who may be asked for other completions.
            step: Where training stands.

        Returns:
            As many sequences as there were rows, or a multiple, grouped row by row.
        """
        return list(rows)

    @abc.abstractmethod
    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Named terms, each ``[N]``; their sum is minimised, each is logged."""

    def init(self) -> dict[str, float]:
        """State before the first step."""
        return {}

    def update(self, means: Mapping[str, float], step: Step) -> State:
        """State after a step, from the means of its terms over all ranks."""
        return step.state


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value:g}")
