"""What training remembers: the method's state, the means of its terms, the tokens it saw."""

from collections.abc import Sequence as Rows
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from limbeck.data import Author, Sequence
from limbeck.profile import end_step
from limbeck.training.lengths import ByLength

KEPT = ("value", "tokens", "sequences", "written", "since_log")


class Memory(TrainerCallback, ExportableState):
    """The method's state, advanced once per optimiser step and saved with the checkpoint."""

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.value: dict[str, float] = dict(trainer.method.init())
        self.tokens = self.sequences = self.written = 0
        self.sums: dict[str, Tensor] = {}
        self.since_log: list[dict[str, float]] = []
        self.sampler: ByLength | None = None

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
            sum(len(s.completion) for s in rows if s.author is Author.STUDENT),
        ]
        # Over all ranks: a checkpoint is written by one of them.
        here = torch.tensor(mine, device=self.trainer.args.device)
        sequences, tokens, written = self.trainer.accelerator.reduce(here).tolist()
        self.sequences += sequences
        self.tokens += tokens
        self.written += written

    def add(self, shares: dict[str, Tensor]) -> None:
        """Add a micro-batch's share of the step's means."""
        for name, value in shares.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def report(self) -> dict[str, float]:
        """What is logged: means over the steps since the last call, their sum, and the state."""
        steps, self.since_log = self.since_log, []
        if not steps:
            return {}
        means = {n: sum(s[n] for s in steps) / len(steps) for n in steps[-1]}
        return {"loss": sum(means.values()), **means, **self.value}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Reduce the step's terms over ranks and let the method's schedule move."""
        reduce = self.trainer.accelerator.reduce
        means = {k: reduce(self.sums[k]).item() for k in sorted(self.sums)}
        self.sums = {}
        self.since_log.append(means)
        self.value = dict(self.trainer.method.update(means, self.trainer.step()))
        end_step()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up the state of the checkpoint that training resumes from."""
        saved = state.stateful_callbacks.get(type(self).__name__)
        if saved and state.global_step > 0:
            for name in KEPT:
                setattr(self, name, saved["attributes"][name])

    def state(self) -> dict[str, Any]:
        """What goes into ``trainer_state.json``."""
        return {"args": {}, "attributes": {name: getattr(self, name) for name in KEPT}}
