"""What a distillation method is."""

import abc
import dataclasses
import difflib
import functools
import random
from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from limbeck.data.batch import Scored, Sequence, Tokens
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.lab import Lab
from limbeck.schedules import Moment, Schedule, State, highest, lowest
from limbeck.sources import Sources, seed_for
from limbeck.targets import Need

Text = Literal["data", "teacher"]
Cost = Literal[
    "off-policy",
    "the teacher writes once",
    "both write once a round",
    "the student writes once a round",
    "the student writes at each step",
    "both write at each step",
    "the teacher rewrites once a round",
]


@dataclass(frozen=True)
class Step(Moment):
    """One optimiser step: how far training is, and what the method remembers.

    Attributes:
        seed: The run's seed.
        rank: This process.
        state: The method's state, as `Method.update` left it.
    """

    seed: int = 0
    rank: int = 0
    state: State = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tells this step from all others, in random draws."""
        return f"{self.round}.{self.index}" if self.round else str(self.index)

    def coin(self, probability: float) -> bool:
        """A biased coin, the same on every rank and after every resume."""
        return random.Random(f"{self.seed}/{self.name}").random() < probability

    def coins(self, probability: float, count: int) -> list[bool]:
        """A biased coin for each of this rank's rows."""
        drawn = random.Random(f"{self.seed}/{self.name}/{self.rank}")
        return [drawn.random() < probability for _ in range(count)]

    @property
    def sampling_seed(self) -> int:
        """A seed for this step's samples; ranks differ, because their prompts do."""
        return seed_for("step", self.seed, self.name, self.rank)


@dataclass(frozen=True)
class Method(abc.ABC):
    """A method from a paper: a frozen dataclass whose fields are the paper's symbols.

    Only `loss` must be written. Subclasses are final and never import one another: what they
    share is mathematics, and it lives in functions. A field that is a number may also be a
    `Schedule`; the trainer asks a method at its values of the moment (`at`).

    Class attributes:
        paper: Where it comes from.
        formula: The objective, in plain text.
        choices: The five choices of this method.
        use: When to take it, in a sentence or two.
        deviations: How released code differs from the paper, and what is done here.
        reduction: ``"tokens"`` averages over all supervised tokens of the global batch,
            ``"sequences"`` over each sequence first.
        imitates: Whether the loss asks the teacher for its distribution.
        looks: Whether `look` is to be called.
        keeps_best: Whether the student of the best round is kept (by the problems that it is
            examined on, or else by the likelihood of the validation text), instead of that of the
            last.
        settled: Fields that are settled before training begins, and cannot move.
    """

    paper: ClassVar[Paper]
    formula: ClassVar[str]
    choices: ClassVar[Choices]
    use: ClassVar[str]
    deviations: ClassVar[tuple[Deviation, ...]] = ()
    reduction: ClassVar[Literal["tokens", "sequences"]] = "tokens"
    imitates: ClassVar[bool] = True
    looks: ClassVar[bool] = False
    keeps_best: ClassVar[bool] = False
    settled: ClassVar[frozenset[str]] = frozenset()

    @property
    def teacher_writes(self) -> bool:
        """Whether the teacher answers the prompts before training."""
        return getattr(self, "source", "data") == "teacher"

    @property
    def student_writes(self) -> bool:
        """Whether the student writes text that is trained on."""
        return False

    @property
    def writes_together(self) -> bool:
        """Whether the teacher is asked for text during training, beside the student."""
        return False

    @property
    def needs_corpus(self) -> bool:
        """Whether plain text is read beside the prompts."""
        return False

    @property
    def needs_completions(self) -> bool:
        """Whether a prompt without a completion is of no use: nobody writes one in training."""
        return not self.teacher_writes

    @property
    def needs_path(self) -> bool:
        """Whether the teacher must come with the checkpoints of its fine-tuning."""
        return False

    @property
    def tutors(self) -> bool:
        """Whether the teacher explains to this student, who is examined after each round."""
        return False

    @property
    def starts_afresh(self) -> bool:
        """Whether each round trains the student that the run began with, not the last round's."""
        return False

    @property
    def needs_start(self) -> bool:
        """Whether there must be a fine-tuned student, frozen, to compare with."""
        return False

    @property
    def needs_folds(self) -> bool:
        """Whether losses are asked for of models that were not trained on the rows."""
        return False

    @property
    def weighs_samples(self) -> bool:
        """Whether the loss divides by the probability that the student's tokens were drawn with."""
        return False

    @property
    def buffer_size(self) -> int:
        """How many sequences written earlier each process keeps to be trained on again."""
        return 0

    @property
    def needs(self) -> Need:
        """How much of the teacher's distribution the loss must see; a cache may hold less.

        A loss whose gradient for the student's logits is linear in p may say ``average``.
        """
        return "events" if self.imitates else "nothing"

    @property
    def cost(self) -> Cost:
        """Who writes text, and how often: what dominates the time of a run."""
        if self.writes_together:
            return "both write at each step"
        if self.student_writes:
            return "the student writes at each step"
        return "the teacher writes once" if self.teacher_writes else "off-policy"

    def number_of_rounds(self, checkpoints: int) -> int:
        """Trainings one after the other, each with text and a teacher of its own.

        Args:
            checkpoints: How many the teacher's path has; 0 where there is no path.
        """
        return 1

    def goes_on(self, accuracies: Rows[float]) -> bool:
        """Whether another round is worth it.

        Args:
            accuracies: Of the student after each round, on the problems that it is examined on.
        """
        return True

    def prepare(self, lab: Lab) -> list[Sequence]:
        """The text of a round: the data's own, the teacher's answers, or prompts to be answered."""
        if self.teacher_writes:
            return lab.answered_by_teacher()
        return lab.labelled() if self.needs_completions else lab.prompts()

    def teacher_checkpoint(self, lab: Lab) -> int | None:
        """Which checkpoint of the teacher's path a round imitates; None is the teacher itself."""
        return None

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

    def look(self, scored: Scored, step: Step) -> dict[str, Tensor]:
        """What the loss of a token has to know of its whole sequence, ``{name: [N]}``.

        Called once for each micro-batch where ``looks`` is set, without gradient; the loss finds
        the result in ``tokens.given``. Sequences (and pairs) are never split over micro-batches.
        """
        return {}

    @abc.abstractmethod
    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Named terms, each ``[N]``; their sum is minimised, each is logged."""

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The loss of given text in an evaluation, where nobody has drawn or looked at anything."""
        return self.loss(tokens, step)

    def init(self) -> dict[str, float]:
        """State before the first step."""
        return {}

    def update(self, means: Mapping[str, float], step: Step) -> State:
        """State after a step.

        Args:
            means: Of the step's terms, and of what `look` found, over all ranks.
            step: The step that begins.
        """
        return step.state

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The fields that move."""
        return dict(_schedules(self))

    def at(self, moment: Moment, states: Mapping[str, State]) -> Self:
        """This method with the values that its moving fields have at a moment.

        Args:
            moment: When.
            states: What each schedule remembers, by the name of its field.
        """
        moved: dict[str, Any] = {n: s.at(moment, states[n]) for n, s in _schedules(self)}
        for name, value in moved.items():
            if _whole_numbers(type(self))[name]:
                moved[name] = round(value)
        return dataclasses.replace(self, **moved) if moved else self

    def check_range(self, name: str, low: float, high: float) -> None:
        """Raise ValueError unless a field, at all of its values, lies in ``[low, high]``."""
        value = getattr(self, name)
        ends = value.bounds if isinstance(value, Schedule) else (value, value)
        if not all(low <= end <= high for end in ends):
            shown = " to ".join(f"{end:g}" for end in dict.fromkeys(ends))
            raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {shown}")

    def check_choice(self, name: str, allowed: tuple[str, ...]) -> None:
        """Raise ValueError unless a field is one of these words."""
        given = getattr(self, name)
        if given not in allowed:
            close = difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {given!r}{hint}")


def need_at(temperature: float) -> Need:
    """What a forward KL must see: at temperature 1 its gradient is linear in p, at another not."""
    return "average" if highest(temperature) == lowest(temperature) == 1 else "logits"


@functools.lru_cache(maxsize=256)
def _schedules(method: Method) -> tuple[tuple[str, Schedule], ...]:
    found = ((f.name, getattr(method, f.name)) for f in dataclasses.fields(method))
    return tuple((name, value) for name, value in found if isinstance(value, Schedule))


@functools.cache
def _whole_numbers(cls: type[Method]) -> dict[str, bool]:
    return {f.name: f.type is int for f in dataclasses.fields(cls)}
