"""The trainings that are compared: the same models, text and optimiser, by different programs."""

import gc
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from benchmarks.tiny import PAD, StepClock, World, arguments, word
from limbeck import DistillTrainer
from limbeck.data import IGNORE, collate, supervised
from limbeck.engines import Sampling
from limbeck.methods import GKD, KD, SFT, Method
from limbeck.targets import ModelTeacher, TopK

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")


@dataclass(frozen=True)
class Case:
    """One training: on whose text, towards what, and how many steps.

    Attributes:
        on_policy: Whether the student writes the completions.
        beta: Weight of the teacher in the divergence.
    """

    world: World
    on_policy: bool
    beta: float
    steps: int


# TRL's trainers recompute activations unless they are told not to; Limbeck's does not.
PLAIN = {"gradient_checkpointing": False}
Maker = Callable[[Case, str], Trainer]


def limbeck(case: Case, folder: str, teacher_dtype: torch.dtype = torch.float32) -> Trainer:
    """`DistillTrainer` with the method GKD."""
    world, (student, teacher) = case.world, case.world.models()
    return DistillTrainer(
        student,
        teacher=teacher.to(teacher_dtype),
        method=GKD(lmbda=float(case.on_policy), beta=case.beta),
        args=arguments(world, case.steps, folder, TrainingArguments),
        train_dataset=world.rows(case.steps),
        processing_class=world.tokenizer(),
        generation=Sampling(max_new_tokens=world.completion, batch_size=world.batch),
    )


def limbeck_half(case: Case, folder: str) -> Trainer:
    """The same, with the teacher in bfloat16."""
    return limbeck(case, folder, torch.bfloat16)


def trl_gkd(case: Case, folder: str) -> Trainer:
    """TRL's ``GKDTrainer``; the rows come as ids, because its own collator reads chats."""
    from datasets import Dataset
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    world, (student, teacher) = case.world, case.world.models()
    rows = world.rows(case.steps)
    more: dict[str, Any] = {"lmbda": float(case.on_policy), "beta": case.beta, "temperature": 1.0}
    more |= {"max_new_tokens": world.completion, "max_length": None, **PLAIN}

    def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        prompts = torch.tensor([e["prompt"] for e in examples])
        completions = torch.tensor([e["completion"] for e in examples])
        ids = torch.cat([prompts, completions], 1)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "labels": torch.cat([torch.full_like(prompts, IGNORE), completions], 1),
            "prompts": prompts,
            "prompt_attention_mask": torch.ones_like(prompts),
        }

    return GKDTrainer(
        student,
        teacher,
        args=arguments(world, case.steps, folder, GKDConfig, **more),
        data_collator=collate,
        train_dataset=Dataset.from_list(
            [{"prompt": r.prompt, "completion": r.completion} for r in rows]
        ),
        processing_class=world.tokenizer(),
    )


def trl_distillation(case: Case, folder: str) -> Trainer:
    """TRL's ``DistillationTrainer``, which is always on-policy; it tokenises the prompts itself."""
    from datasets import Dataset
    from trl import DistillationConfig, DistillationTrainer

    world, (student, teacher) = case.world, case.world.models()
    more = {"beta": case.beta, "max_completion_length": world.completion, **PLAIN}
    prompts = [{"prompt": " ".join(map(word, r.prompt))} for r in world.rows(case.steps)]
    return DistillationTrainer(
        student,
        teacher,
        args=arguments(
            world, case.steps, folder, DistillationConfig, shuffle_dataset=False, **more
        ),
        train_dataset=Dataset.from_list(prompts),
        processing_class=world.tokenizer(),
    )


def sft(case: Case, folder: str, method: Method | None = None, teacher: Any = None) -> Trainer:
    """`DistillTrainer` without a teacher."""
    world, (student, _) = case.world, case.world.models()
    return DistillTrainer(
        student,
        teacher=teacher,
        method=method or SFT(),
        args=arguments(world, case.steps, folder, TrainingArguments),
        train_dataset=world.rows(case.steps),
        processing_class=world.tokenizer(),
    )


def kd_from_memory(case: Case, folder: str, k: int = 128) -> Trainer:
    """Knowledge distillation from the teacher's top tokens, which have been computed before."""
    world, rows = case.world, case.world.rows(case.steps)
    teacher = ModelTeacher(world.models()[1])
    targets = []
    for start in range(0, len(rows), world.batch):
        batch = collate(rows[start : start + world.batch], PAD, "left")
        target = teacher(batch, supervised(batch["labels"]))
        log_p = target.head.logits(target.hidden).log_softmax(-1)
        top = log_p.topk(min(k, world.vocabulary - 1))
        rest = torch.log1p(-top.values.exp().sum(-1))
        targets.append(TopK(top.indices, top.values, rest))
    known = iter(targets)  # the rows come in their order
    return sft(case, folder, KD(), lambda batch, where: next(known))


def train(make: Maker, case: Case) -> tuple[float, dict[str, float]]:
    """Seconds of a step, and what the first step logged."""
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make(case, folder)
        clock = StepClock()
        trainer.add_callback(clock)
        trainer.remove_callback(PrinterCallback)
        torch.manual_seed(0)  # TRL samples from here
        trainer.train()
    return clock.seconds, trainer.state.log_history[0]
