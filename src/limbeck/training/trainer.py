"""The transformers Trainer, told to distil. It knows no method by name."""

import itertools
from collections.abc import Iterable
from collections.abc import Sequence as Rows
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from limbeck.data import Author, Batch, Sequence, Tokens, collate, supervised
from limbeck.divergences import linear_loss
from limbeck.engines import Sampling
from limbeck.engines.pair import Pair
from limbeck.engines.special_tokens import end_ids, pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.methods import Method, Step
from limbeck.profile import begin_step, span
from limbeck.sources import Replay, Sources
from limbeck.targets import ModelTeacher, Teacher, check_head, head_of, last_hidden
from limbeck.training.finite import not_finite
from limbeck.training.labels import Labels
from limbeck.training.lengths import ByLength, longest_first
from limbeck.training.memory import Memory, Round
from limbeck.training.request import check_request, check_weights, listens
from limbeck.training.rows import as_sequences

OBSERVED = "label_nll"
"""In evaluations, beside the loss: the negative log-likelihood of the text, which methods share."""


class DistillTrainer(Trainer):
    """Runs a `Method` on a student.

    For each optimiser step: the method chooses the sequences of the whole accumulation window,
    *then* their supervised tokens are counted over all ranks, then the method's loss is summed
    over them chunk by chunk and divided by that count, then the method's state advances. The
    sequences come first because the count must be of the tokens trained on, not of those loaded;
    the sum is divided once, so any split of the same batch into micro-batches or ranks gives the
    same gradient.

    Args:
        model: The student: a transformers causal language model, or a PEFT model of one.
        teacher: A model, or anything that maps ``(batch, where)`` to a `Target`. None for methods
            that ask no teacher.
        method: What to minimise, and on whose text.
        args: The usual training arguments.
        train_dataset: `Sequence` objects, or rows in TRL's formats (``prompt``/``completion``,
            ``messages``, ``text``), which ``processing_class`` then tokenises.
        eval_dataset: Likewise; the evaluation loss is the training loss on this text, exact over
            its tokens.
        processing_class: The tokenizer that student and teacher share.
        generation: How student and teacher sample, for methods that let them write.
        corpus: Plain text, for methods with a language-modelling term.
        round: Which of several trainings this is, and what the one before remembered.
        kwargs: Passed on to `transformers.Trainer`.

    Raises:
        LimbeckError: A model's head cannot be read, or the loss stops being finite: the batch is
            kept in ``output_dir/not_finite`` and the optimiser does not see it.
        ValueError: The method imitates a teacher and there is none.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        method: Method,
        args: TrainingArguments,
        train_dataset: Iterable[Any],
        processing_class: PreTrainedTokenizerBase,
        teacher: PreTrainedModel | Teacher | None = None,
        eval_dataset: Iterable[Any] | None = None,
        generation: Sampling | None = None,
        corpus: Rows[Sequence] = (),
        round: Round = Round(),  # noqa: B008 (frozen)
        **kwargs: Any,
    ):
        check_request(method, teacher, corpus, eval_dataset)
        args.eval_on_start |= listens(method)  # compared with the student before any training
        self.method, self.round = method, round
        self.vocabulary = len(processing_class)
        check_head(model, "student")
        if isinstance(teacher, nn.Module):
            check_head(teacher, "teacher")
            teacher = ModelTeacher(teacher, self.vocabulary)
        self.teacher = teacher
        self.pad = pad_id(processing_class)
        ends = end_ids(processing_class, model)
        writing = (self.pad, ends, self.vocabulary)
        self.sources = Sources(
            student=TransformersEngine(model, *writing),
            sampling=generation or Sampling(),
            replay=Replay(method.buffer_size),
            corpus=corpus,
        )
        if isinstance(teacher, ModelTeacher):
            self.sources.together = Pair(model, teacher.active, *writing)
        args._n_gpu = min(args.n_gpu, 1)  # one process, one device; torchrun starts more
        super().__init__(
            model=model,
            args=args,
            data_collator=list,  # padding waits until the sequences have been chosen
            train_dataset=as_sequences(train_dataset, processing_class, ends),
            eval_dataset=None
            if eval_dataset is None
            else as_sequences(eval_dataset, processing_class, ends),
            processing_class=processing_class,
            **kwargs,
        )
        self.loss_is_scaled_for_ga = True  # compute_loss divides by the count of the whole window
        if isinstance(teacher, ModelTeacher) and teacher.adapter is None:
            teacher.model.to(self.args.device)
        check_weights(method, self.train_dataset)
        self.memory = Memory(self)
        self.add_callback(self.memory)

    def step(self) -> Step:
        """Where training stands."""
        return Step(
            self.state.global_step,
            self.state.max_steps,
            self.round.index,
            self.round.total,
            seed=self.args.seed,
            rank=self.args.process_index,
            state=self.memory.value,
        )

    def now(self) -> tuple[Method, Step]:
        """The method at the values that its schedules have at this step."""
        step = self.step()
        return self.method.at(step, self.memory.moving), step

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor]:
        """Load one accumulation window, choose its sequences, and only then count."""
        begin_step()
        with span("data"):
            window = list(itertools.islice(epoch_iterator, num_batches))
        rows = [s for loaded in window for s in loaded]
        with span("generation"):
            method, step = self.now()
            chosen = method.sequences(rows, self.sources, step)
        each = len(chosen) // max(len(rows), 1)
        if len(chosen) != each * len(rows):
            raise ValueError(
                f"{type(self.method).__name__}.sequences made {len(chosen)} sequences of "
                f"{len(rows)} rows: it must give each row the same number"
            )
        with span("data"):
            parts = iter(longest_first(chosen, each) if len(window) > 1 else chosen)
            batches = [
                self._pad(list(itertools.islice(parts, each * len(loaded)))) for loaded in window
            ]
        counts = sum((self._counts(b) for b in batches), start=torch.zeros(2)).to(device)
        self.memory.saw(chosen)
        count, self.corpus_count = self.accelerator.reduce(counts)
        return batches, count

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Forward and backward of a micro-batch."""
        with span("backward"):  # without what compute_loss claims for itself
            return super().training_step(*args, **kwargs)

    def _load_from_checkpoint(self, checkpoint: str, model: nn.Module | None = None) -> None:
        """The weights, and what this rank had written to train on again."""
        super()._load_from_checkpoint(checkpoint, model)
        self.memory.take_up(Path(checkpoint))

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Rows of similar length together, where ``train_sampling_strategy`` asks for it."""
        args = self.args
        rows = self.train_dataset if train_dataset is None else train_dataset
        if args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(rows)
        step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return self.memory.follow(
            ByLength(
                [len(s) for s in rows],
                step,
                args.seed if args.data_seed is None else args.data_seed,
            )
        )

    def _get_eval_sampler(self, eval_dataset: Any) -> None:
        """`evaluation_loop` has its own order."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Any:
        """The method's terms summed over the supervised tokens, over the count of the step."""
        alone = num_items_in_batch is None  # nobody counted a window: this batch is all there is
        if alone:
            num_items_in_batch, self.corpus_count = self._counts(inputs)
        count = torch.as_tensor(num_items_in_batch).clamp(min=1).to(inputs["labels"].device)
        total, terms, looked = self._sums(model, inputs, count / self.corpus_count.clamp(min=1))
        if model.training:
            self.memory.add(*({n: v / count for n, v in x.items()} for x in (terms, looked)))
        # DDP averages gradients over ranks, but the count is their total: undo the average.
        loss = total / count * (1 if alone else self.accelerator.num_processes)
        return (loss, None) if return_outputs else loss

    def _sums(
        self, model: nn.Module, batch: Batch, corpus: float | Tensor = 1.0, validating: bool = False
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The loss summed over a batch, with gradient; its terms, and what the method saw, without.

        Args:
            model: The student, as the Trainer has wrapped it.
            batch: Padded sequences.
            corpus: What a token of plain text weighs.
            validating: Take the method's loss of given text, and add the likelihood of the labels
                to the terms; an evaluation does not use the first result.
        """
        where, labels = supervised(batch["labels"]), Labels.of(batch)
        method, step = self.now()
        target = None
        if method.imitates:
            assert self.teacher is not None
            with span("teacher"):
                target = self.teacher(batch, where)
        with span("student"):
            hidden = last_hidden(model, batch)[:, :-1][where]
        weight = labels.weights(method.reduction, corpus)

        def loss(tokens: Tokens) -> dict[str, Tensor]:
            if validating:
                return {**method.validation_loss(tokens, step), OBSERVED: tokens.nll()}
            return method.loss(tokens, step)

        with span("loss"):
            head = head_of(model, self.vocabulary)
            looked: dict[str, Tensor] = {}
            if method.looks and not validating:
                assert target is not None
                looked = method.look(labels.scored(hidden, head, target), step)
                labels = replace(labels, given={**labels.given, **looked})
            total, terms = linear_loss(hidden, head, labels.losses(target, loss), weight=weight)
        sound = total.isfinite() & hidden.isfinite().all()  # a soft-capped head hides infinity
        if not sound:
            folder, training = Path(self.args.output_dir), model.training
            raise not_finite(folder, step, training, batch, where, hidden, target, terms)
        terms, looked = (
            {name: (value * weight).sum() for name, value in x.items()} for x in (terms, looked)
        )
        return total, terms, looked

    def _counts(self, batch: Batch) -> Tensor:
        """Supervised tokens, or sequences that have any; and, beside them, tokens of plain text."""
        where = supervised(batch["labels"])
        corpus = batch["author"] == Author.CORPUS
        own = where[~corpus].any(-1) if self.method.reduction == "sequences" else where[~corpus]
        return torch.stack([own.sum(), where[corpus].sum()]).float()

    def _pad(self, rows: Rows[Sequence]) -> Batch:
        return collate(rows, self.pad, self.processing_class.padding_side)

    @torch.no_grad()
    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """The training loss on the evaluation text: one sum over all of it, divided once.

        The Trainer's own loop averages the means of batches, which is no mean of tokens when
        batches differ in length, and counts rows twice when ranks share them unevenly.
        """
        dataset, size = dataloader.dataset, self.args.per_device_eval_batch_size
        world, rank = self.args.world_size, self.args.process_index
        order = sorted(range(len(dataset)), key=lambda i: len(dataset[i]))
        mine = [dataset[i] for i in order[rank::world]]
        totals: dict[str, Tensor] = {"count": torch.zeros((), device=self.args.device)}
        self.model.eval()
        # All ranks make the same number of forward passes; one with no rows left scores none.
        for start in range(0, -(-len(dataset) // world), size):
            batch = self._prepare_inputs(self._pad(mine[start : start + size] or [dataset[0]]))
            if start >= len(mine):
                batch["labels"] = torch.full_like(batch["labels"], -100)
            with self.accelerator.autocast():
                _, terms, _ = self._sums(self.model, batch, validating=True)
            for name, value in {"count": self._counts(batch)[0], **terms}.items():
                totals[name] = totals.get(name, 0.0) + value
        count, *sums = (
            self.accelerator.reduce(totals[k]).item()
            for k in sorted(totals, key=lambda k: (k != "count", k))
        )
        names = sorted(k for k in totals if k != "count")
        means = {
            f"{metric_key_prefix}_{n}": s / max(count, 1) for n, s in zip(names, sums, strict=True)
        }
        observed = means.pop(f"{metric_key_prefix}_{OBSERVED}", None)
        metrics = {f"{metric_key_prefix}_loss": sum(means.values()), **means}
        if observed is not None:
            metrics[f"{metric_key_prefix}_{OBSERVED}"] = observed
        return EvalLoopOutput(None, None, metrics, len(dataset))

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the means of the terms since the last log, and the method's state.

        The loss is their sum: the Trainer's own forgets the steps before a checkpoint.
        """
        extra = self.memory.report() if "loss" in logs else {}
        super().log({**logs, **extra}, *args, **kwargs)
