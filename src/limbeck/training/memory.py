"""What training remembers: the method's state and schedules, what was logged, the tokens it saw."""

from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from limbeck.data import Sequence
from limbeck.profile import end_step
from limbeck.schedules import Moment, Schedule
from limbeck.training.lengths import ByLength

KEPT = ("value", "moving", "tokens", "sequences", "written", "names", "since_log")


@dataclass(frozen=True)
class Round:
    """Which of several trainings, one after the other, this is.

    Attributes:
        index: Rounds done before it.
        total: Rounds in all.
        memory: What `Memory.keep` gave at the end of the one before.
    """

    index: int = 0
    total: int = 1
    memory: Mapping[str, Any] | None = None

    @property
    def begins(self) -> Moment:
        """Its first moment."""
        return Moment(0, 1, self.index, self.total)


class Memory(TrainerCallback, ExportableState):
    """State of the method and of its schedules; saved with the checkpoint.

    Both advance once per optimiser step, on means over all ranks; schedules also listen to
    evaluations and to the beginning of rounds.

    Args:
        trainer: Whose.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.schedules: dict[str, Schedule] = trainer.method.schedules
        self.value: dict[str, float] = dict(trainer.method.init())
        self.moving: dict[str, dict[str, float]] = {
            name: dict(s.init()) for name, s in self.schedules.items()
        }
        before = trainer.round.memory
        if before is not None:
            self.value = dict(before["value"])
            self.moving = {
                name: dict(s.on_round(before["moving"][name], trainer.round.begins))
                for name, s in self.schedules.items()
            }
        self.tokens = self.sequences = self.written = 0
        self.names: list[str] = []  # of the terms that the loss is the sum of
        self.terms: dict[str, Tensor] = {}
        self.looked: dict[str, Tensor] = {}
        self.since_log: list[dict[str, dict[str, Any]]] = []
        self.sampler: ByLength | None = None
        self.resumed_at: int | None = None

    def keep(self) -> dict[str, Any]:
        """What the next round begins with."""
        return {"value": self.value, "moving": self.moving}

    def follow(self, sampler: ByLength) -> ByLength:
        """Tell this sampler the epoch: on several ranks a resumed one is out of accelerate's reach."""
        self.sampler = sampler
        return sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A new epoch has an order of its own, and a resumed one the order it began with."""
        if self.sampler is not None:
            self.sampler.set_epoch(int(state.epoch + 1e-6))

    def saw(self, rows: Rows[Sequence]) -> None:
        """Count what this rank trains on, and what the student wrote of it."""
        mine = [
            len(rows),
            sum(len(s.completion) for s in rows),
            self.trainer.sources.written,
        ]
        self.trainer.sources.written = 0
        # Over all ranks: a checkpoint is written by one of them.
        here = torch.tensor(mine, device=self.trainer.args.device)
        sequences, tokens, written = self.trainer.accelerator.reduce(here).tolist()
        self.sequences += sequences
        self.tokens += tokens
        self.written += written

    def add(self, terms: Mapping[str, Tensor], looked: Mapping[str, Tensor]) -> None:
        """Add a micro-batch's share of the step's means: of the loss, and of what was only seen."""
        for sums, values in ((self.terms, terms), (self.looked, looked)):
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value

    def report(self) -> dict[str, float]:
        """What is logged: means over the steps since the last call, the loss, and the state."""
        steps, self.since_log = self.since_log, []
        if not steps:
            return {}
        terms, looked = (_means([s[kind] for s in steps]) for kind in ("terms", "looked"))
        counted = _ratios([s["counted"] for s in steps])
        return {"loss": sum(terms.values()), **terms, **looked, **counted, **self._state()}

    def _state(self) -> dict[str, float]:
        now = self.trainer.step()
        moved = {n: s.at(now, self.moving[n]) for n, s in self.schedules.items()}
        return {**self.value, **moved}

    def _counted(self) -> dict[str, list[float]]:
        """Sums and numbers that the sources counted in this step, over all ranks."""
        found = dict(self.trainer.sources.counted)
        self.trainer.sources.counted.clear()
        reduce, device = self.trainer.accelerator.reduce, self.trainer.args.device
        return {n: reduce(torch.tensor(found[n], device=device)).tolist() for n in sorted(found)}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Reduce the step's terms over ranks and let the method's state and schedules move."""
        reduce = self.trainer.accelerator.reduce
        terms, looked = (
            {name: reduce(sums[name]).item() for name in sorted(sums)}
            for sums in (self.terms, self.looked)
        )
        self.terms, self.looked = {}, {}
        self.since_log.append({"terms": terms, "looked": looked, "counted": self._counted()})
        self.names += [name for name in terms if name not in self.names]
        step, loss = self.trainer.step(), sum(terms.values())
        self.value = dict(self.trainer.method.update({**terms, **looked}, step))
        for name, schedule in self.schedules.items():
            self.moving[name] = dict(schedule.on_step(self.moving[name], loss, step))
        end_step()

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Schedules that follow the validation loss."""
        if state.global_step == self.resumed_at:  # it was counted before that checkpoint
            return
        for name, schedule in self.schedules.items():
            self.moving[name] = dict(schedule.on_evaluation(self.moving[name], metrics))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Each rank keeps its own replay buffer, before the checkpoint counts as complete."""
        if self.trainer.sources.replay.rows:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            self.trainer.sources.replay.save(_buffer(folder, args.process_index))

    def take_up(self, checkpoint: Path) -> None:
        """Load the replay buffer of a checkpoint."""
        file = _buffer(checkpoint, self.trainer.args.process_index)
        if file.exists():
            self.trainer.sources.replay.load(file)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up the state of the checkpoint that training resumes from."""
        saved = state.stateful_callbacks.get(type(self).__name__)
        if saved and state.global_step > 0:
            for name in KEPT:
                setattr(self, name, saved["attributes"][name])
            self.resumed_at = state.global_step

    def state(self) -> dict[str, Any]:
        """What goes into ``trainer_state.json``."""
        return {"args": {}, "attributes": {name: getattr(self, name) for name in KEPT}}


def _buffer(checkpoint: Path, rank: int) -> Path:
    return checkpoint / f"replay-{rank}.json"


def _ratios(steps: list[dict[str, list[float]]]) -> dict[str, float]:
    """Of each name, the sum over all steps by the number over all steps."""
    names = dict.fromkeys(name for step in steps for name in step)
    sums = {n: [sum(x) for x in zip(*(s[n] for s in steps if n in s), strict=True)] for n in names}
    return {name: total / max(number, 1) for name, (total, number) in sums.items()}


def _means(steps: list[dict[str, float]]) -> dict[str, float]:
    """Of each name over all steps; a method whose terms change as it moves has 0 for the others."""
    names = dict.fromkeys(name for step in steps for name in step)
    return {name: sum(step.get(name, 0.0) for step in steps) / len(steps) for name in names}
