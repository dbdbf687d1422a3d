"""One training, from wherever it was interrupted to its end."""

import math
import time
from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from limbeck.console import Advance
from limbeck.data import Sequence
from limbeck.engines import Sampling
from limbeck.files import writing
from limbeck.methods import Method
from limbeck.targets import Teacher
from limbeck.training.checkpoints import MarkComplete, newest_complete
from limbeck.training.memory import Round
from limbeck.training.trainer import DistillTrainer

# Where a recipe says nothing. Ratios below 1 are shares of all steps, as in transformers.
DEFAULTS: dict[str, Any] = {
    "learning_rate": 5.0e-5,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.05,
    "num_train_epochs": 3,
    "logging_steps": 0.02,
    "eval_strategy": "steps",
    "eval_steps": 0.1,
    "save_steps": 0.1,
    "save_total_limit": 2,
    "report_to": "none",
}


@dataclass(frozen=True)
class Fit:
    """How a training went.

    Attributes:
        steps: Optimiser steps.
        tokens: Supervised tokens trained on, over all ranks.
        tokens_written: Those that the student wrote itself.
        sequences: Sequences trained on, over all ranks.
        terms: Names of the terms that the loss is the sum of.
        curve: Logged values, ``{"step", "loss", term: nats, "learning_rate"}``, and whatever else
            the method tells: values of its schedules, what it saw, what the sources counted.
        eval_curve: ``{"step", "eval_loss", ...}`` on the validation text.
        memory: What the next of several trainings begins with.
    """

    steps: int
    tokens: int
    tokens_written: int
    sequences: int
    terms: list[str]
    curve: list[dict[str, float]]
    eval_curve: list[dict[str, float]]
    memory: dict[str, Any]


def arguments(
    training: Mapping[str, Any], folder: Path, seed: int, rows: int, max_steps: int | None = None
) -> TrainingArguments:
    """Training arguments of a recipe.

    Args:
        training: The recipe's own.
        folder: For checkpoints.
        seed: Of data order and dropout.
        rows: How many sequences are trained on, to turn epochs into steps.
        max_steps: Overrides the recipe: arms that are compared take the same number of steps.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    args = TrainingArguments(
        output_dir=str(folder),
        seed=seed,
        remove_unused_columns=False,
        label_names=[],
        disable_tqdm=True,
        # Without use_cpu, several processes on a machine without an accelerator do not find one another.
        **{"use_cpu": not torch.accelerator.is_available(), **DEFAULTS, **training},
    )
    # A hidden NaN is a lie; DistillTrainer stops at the first one.
    args.logging_nan_inf_filter = False
    if max_steps is not None:
        args.max_steps = max_steps
    elif args.max_steps <= 0:
        batches = math.ceil(rows / (args.per_device_train_batch_size * args.world_size))
        steps = max(1, math.ceil(batches / args.gradient_accumulation_steps))
        args.max_steps = math.ceil(args.num_train_epochs * steps)
    return args


def fit(
    model: nn.Module,
    method: Method,
    args: TrainingArguments,
    rows: Rows[Sequence],
    validation: Rows[Sequence],
    tokenizer: Any,
    teacher: Teacher | None,
    sampling: Sampling,
    advance: Advance,
    corpus: Rows[Sequence] = (),
    round_: Round = Round(),  # noqa: B008 (frozen)
) -> Fit:
    """Train ``model`` in place, going on from the newest complete checkpoint.

    Args:
        model: The student.
        method: What to minimise.
        args: From `arguments`; ``max_steps`` is set.
        rows: Sequences to train on.
        validation: Sequences for the evaluation loss; none switches it off.
        tokenizer: Of both models.
        teacher: For methods that imitate one.
        sampling: How the student writes.
        advance: Told of each step.
        corpus: Plain text, for methods with a language-modelling term.
        round_: Which of several trainings this is.
    """
    if not validation:
        args.eval_strategy = "no"
    resume = newest_complete(Path(args.output_dir))
    trainer = DistillTrainer(
        model,
        method=method,
        args=args,
        train_dataset=rows,
        eval_dataset=validation or None,
        processing_class=tokenizer,
        teacher=teacher,
        generation=sampling,
        corpus=corpus,
        round=round_,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MarkComplete(trainer.accelerator.wait_for_everyone))
    if resume is not None:  # what stands before the first step has been evaluated
        args.eval_on_start = False
    trainer.add_callback(_Advance(advance))
    with writing(Path(args.output_dir)):
        if resume is not None and _take_up_the_end(trainer, resume):
            advance(trainer.state.global_step)
        else:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    history = trainer.state.log_history
    skip = (
        "epoch",
        "step",
        "grad_norm",
        "eval_runtime",
        "eval_samples_per_second",
        "eval_steps_per_second",
    )
    tidy = [{"step": h["step"], **{k: v for k, v in h.items() if k not in skip}} for h in history]
    return Fit(
        steps=trainer.state.global_step,
        tokens=trainer.memory.tokens,
        tokens_written=trainer.memory.written,
        sequences=trainer.memory.sequences,
        terms=list(trainer.memory.names),
        curve=[h for h in tidy if "loss" in h],
        eval_curve=[h for h in tidy if "eval_loss" in h],
        memory=trainer.memory.keep(),
    )


def _take_up_the_end(trainer: DistillTrainer, checkpoint: Path) -> bool:
    """Load a checkpoint of the last step; the Trainer, resumed there, would take one step more."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    if state.global_step < trainer.args.max_steps:
        return False
    trainer._load_from_checkpoint(str(checkpoint))
    trainer.state = state
    trainer.memory.on_train_begin(trainer.args, state, trainer.control)
    return True


class _Advance(TrainerCallback):
    """Moves the progress bar."""

    def __init__(self, advance: Advance):
        self.advance, self.note, self.last = advance, "", time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Steps of an earlier attempt count."""
        self.advance(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """The newest loss stands behind the bar."""
        if logs and "loss" in logs:
            self.note = f"loss {float(logs['loss']):.3f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One more."""
        self.advance(1, note=self.note)
