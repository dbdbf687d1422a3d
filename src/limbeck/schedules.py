"""What moves a method's parameters while training goes on.

A schedule is a frozen description; what it remembers is a small mapping that the trainer keeps,
hands back at each hook and saves with every checkpoint. Any scalar of any method may be one.
"""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, cast, final

State = Mapping[str, float]


@dataclass(frozen=True)
class Moment:
    """How far training is.

    Attributes:
        index: Optimiser steps done in this round.
        total: Optimiser steps of this round.
        round: Rounds done before this one.
        rounds: Rounds of the whole training.
    """

    index: int
    total: int
    round: int = 0
    rounds: int = 1

    @property
    def progress(self) -> float:
        """Fraction of the whole training done, in [0, 1]."""
        return (self.round + self.index / max(self.total, 1)) / self.rounds

    @property
    def within_round(self) -> float:
        """Fraction of this round done, in [0, 1]."""
        return self.index / max(self.total, 1)


@dataclass(frozen=True)
class Schedule(abc.ABC):
    """A number that changes as training goes on.

    Attributes:
        start: Its first value; ``from`` in a recipe.
        end: Its last value; ``to`` in a recipe.
    """

    start: float
    end: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value it can take.

        Raises:
            ValueError: One of them is no number.
        """
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise ValueError(
                f"a schedule goes between numbers, not {self.start:g} and {self.end:g}"
            )
        return min(self.start, self.end), max(self.start, self.end)

    def at(self, moment: Moment, state: State) -> float:
        """The number now; rounding does not carry it beyond its bounds, which have been checked."""
        low, high = self.bounds
        return min(max(self.value(moment, state), low), high)

    @abc.abstractmethod
    def value(self, moment: Moment, state: State) -> float:
        """The number now, as the formula has it."""

    def init(self) -> State:
        """What it remembers before the first step."""
        return {}

    def on_step(self, state: State, loss: float, moment: Moment) -> State:
        """After an optimiser step, with the loss of the step over all ranks."""
        return state

    def on_evaluation(self, state: State, metrics: Mapping[str, float]) -> State:
        """After an evaluation on the validation text."""
        return state

    def on_round(self, state: State, moment: Moment) -> State:
        """At the beginning of a round."""
        return state


@final
@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from ``start`` to ``end``, which is reached at a fraction of the training.

    Attributes:
        until: That fraction, in (0, 1].
    """

    until: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.until <= 1:
            raise ValueError(f"until is a fraction of the training in (0, 1], got {self.until:g}")

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        return self.start + (self.end - self.start) * min(1.0, moment.progress / self.until)


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine: slow at both ends."""

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * moment.progress)) / 2


@final
@dataclass(frozen=True)
class Exponential(Schedule):
    """``start * (end / start) ** progress``: the same factor at every step."""

    def __post_init__(self) -> None:
        if self.start <= 0 or self.end <= 0:
            raise ValueError("an exponential goes from one number above 0 to another")

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        return float(self.start * (self.end / self.start) ** moment.progress)


@final
@dataclass(frozen=True)
class Sawtooth(Schedule):
    """``clip(e / E + tau / T, start, end)`` in round e = 1..E of E, tau of its T steps done.

    DistiLLM-2's Algorithm 1 writes its beta so, read literally: it rises again in every round.
    """

    def __post_init__(self) -> None:
        _check_rising(self, share=True)

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        reached = (moment.round + 1) / moment.rounds + moment.within_round
        return min(max(reached, self.start), self.end)


@final
@dataclass(frozen=True)
class LossDriven(Schedule):
    r"""At least a straight line, and faster while the loss falls (TAID, arXiv:2501.16937).

    With the loss :math:`J_n` of step n: :math:`\delta = (J_{n-1} - J_n) / J_{n-1}`,
    :math:`m \leftarrow \beta m + (1 - \beta) \delta`, and
    :math:`t \leftarrow \min(end, \max(line(n), t + \alpha \, \sigma(m) (1 - t)))`; t is a share, in [0, 1].

    Attributes:
        rate: :math:`\alpha`.
        momentum: :math:`\beta`.
    """

    rate: float = 5e-4
    momentum: float = 0.99

    def __post_init__(self) -> None:
        _check_rising(self, share=True)

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        return state["t"]

    def init(self) -> State:
        """See `Schedule.init`."""
        return {"t": self.start, "m": 0.0}

    def on_step(self, state: State, loss: float, moment: Moment) -> State:
        """The first loss is only remembered."""
        before, m, t = state.get("loss"), state["m"], state["t"]
        line = self.start + (self.end - self.start) * moment.progress
        if before is not None:
            delta = (before - loss) / (before + 1e-15)
            m = self.momentum * m + (1 - self.momentum) * delta
            t += self.rate * _sigmoid(m) * (1 - t)
        return {"t": min(self.end, max(line, t)), "m": m, "loss": loss}


@final
@dataclass(frozen=True)
class ValidationDriven(Schedule):
    """A step up whenever the student's validation loss rises (DistiLLM, arXiv:2402.03898).

    Attributes:
        step: How much is added; the paper's 1 / N.
        tolerance: How much the loss must have risen, nats a token; the paper's epsilon.
        compare: With the ``previous`` evaluation (paper), or with the one at the last
            ``trigger`` (released code), which lets a slow rise add up.
    """

    step: float = 0.1
    tolerance: float = 0.1
    compare: Literal["previous", "trigger"] = "previous"

    METRIC: ClassVar = "eval_label_nll"

    def __post_init__(self) -> None:
        _check_rising(self)

    def value(self, moment: Moment, state: State) -> float:
        """See `Schedule.value`."""
        return state["value"]

    def init(self) -> State:
        """See `Schedule.init`."""
        return {"value": self.start}

    def on_evaluation(self, state: State, metrics: Mapping[str, float]) -> State:
        """The first evaluation, before any training, is only remembered."""
        loss, before = metrics.get(self.METRIC), state.get("loss")
        if loss is None:  # an evaluation of something else
            return state
        if before is None:
            return {**state, "loss": loss}
        rose = loss >= before + self.tolerance
        value = min(state["value"] + self.step, self.end) if rose else state["value"]
        remember = rose or self.compare == "previous"
        return {"value": value, "loss": loss if remember else before}


SCHEDULES: dict[str, type[Schedule]] = {
    "linear": Linear,
    "cosine": Cosine,
    "exponential": Exponential,
    "sawtooth": Sawtooth,
    "loss_driven": LossDriven,
    "validation_driven": ValidationDriven,
}
_WORDS = {"start": "from", "end": "to"}


def moving(schedule: Schedule) -> float:
    """A schedule as the default of a method's field, which the method reads as a number.

    Before a method is asked for anything in training, its schedules are replaced by their values.
    """
    return cast("float", schedule)


def lowest(value: float | Schedule) -> float:
    """The smallest value that a number, perhaps a moving one, can take."""
    return value.bounds[0] if isinstance(value, Schedule) else value


def highest(value: float | Schedule) -> float:
    """The largest."""
    return value.bounds[1] if isinstance(value, Schedule) else value


def words(schedule: Schedule) -> dict[str, Any]:
    """A schedule as a recipe writes it: ``{schedule: linear, from: 0.5, to: 0.75}``."""
    name = next(name for name, cls in SCHEDULES.items() if cls is type(schedule))
    settings = {_WORDS.get(f.name, f.name): getattr(schedule, f.name) for f in fields(schedule)}
    return {"schedule": name, **settings}


def keys(cls: type[Schedule]) -> dict[str, str]:
    """The words that a recipe may use for a schedule, and the fields they mean."""
    return {_WORDS.get(f.name, f.name): f.name for f in fields(cls)}


def _check_rising(schedule: Schedule, share: bool = False) -> None:
    if share and not (0 <= schedule.start <= 1 and 0 <= schedule.end <= 1):
        raise ValueError("this schedule moves a share: from and to lie in [0, 1]")
    if schedule.start > schedule.end:
        raise ValueError(
            f"this schedule can only rise, and goes from {schedule.start:g} to {schedule.end:g}"
        )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))
