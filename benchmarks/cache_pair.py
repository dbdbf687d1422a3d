"""What each encoding costs a student: a real teacher, its halved copy, text of the teacher."""

import copy
import itertools
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from limbeck.caching import (
    CachedTeacher,
    Encoding,
    HiddenEncoding,
    Origin,
    SampledEncoding,
    TopKEncoding,
    write_cache,
)
from limbeck.console import console
from limbeck.data import Author, Sequence
from limbeck.engines import Sampling
from limbeck.engines.transformers import TransformersEngine
from limbeck.evaluation import positions
from limbeck.methods import KD
from limbeck.models import load_model, load_tokenizer
from limbeck.recipe import ModelSpec
from limbeck.targets import ModelTeacher, Teacher
from limbeck.training import DistillTrainer

ORIGIN = Origin({}, {}, {}, {}, {}, 0)
LENGTH = 96


@dataclass(frozen=True)
class Size:
    """How much is trained."""

    rows: int = 1600
    held_out: int = 200
    steps: int = 150
    seeds: int = 3


@dataclass(frozen=True)
class Outcome:
    """Of one encoding, an entry a seed: held-out KL(teacher, student) and bytes per token."""

    name: str
    bytes_per_token: float | None
    nats: list[float]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.mean(self.nats)


def encodings(vocabulary: int, width: int) -> list[tuple[str, Encoding]]:
    """Those that are compared."""
    return [
        *((f"topk, k = {k}", TopKEncoding(vocabulary, k)) for k in (4, 16, 64)),
        ("topk-f16, k = 16", TopKEncoding(vocabulary, 16, "f16")),
        *((f"sampled, n = {n}", SampledEncoding(vocabulary, n)) for n in (12, 50)),
        ("sampled, n = 12, 4 exact", SampledEncoding(vocabulary, 12, 4)),
        ("hidden", HiddenEncoding(vocabulary, width, "float32")),
    ]


def outcomes(model: Path, size: Size) -> list[Outcome]:
    """Train a student from each encoding, and from the teacher itself."""
    console.quiet = True
    logging.disable_progress_bar()
    spec = ModelSpec(model=str(model))
    tokenizer: Any = load_tokenizer(spec, "teacher")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    pad, vocabulary = tokenizer.pad_token_id, len(tokenizer)
    big = load_model(spec, "teacher", tokenizer, 0, "float32")
    teacher = ModelTeacher(big, vocabulary)
    half = load_model(
        spec.model_copy(update={"layers": "every_second"}), "student", tokenizer, 0, "float32"
    )
    text = _text(big, tokenizer, pad, size.rows + size.held_out)
    rows, held_out = text[: size.rows], text[size.rows :]

    def train(source: Teacher, seed: int) -> float:
        student = copy.deepcopy(half)
        _train(student, source, rows, tokenizer, size.steps, seed)
        near = positions(teacher, student, held_out, vocabulary, pad, 16, lambda *a, **k: None)
        return float(near.values["kl_teacher_student"].mean())

    found = [Outcome("the teacher itself", None, [train(teacher, s) for s in range(size.seeds)])]
    for name, encoding in encodings(vocabulary, big.config.hidden_size):
        with tempfile.TemporaryDirectory() as folder:
            cache = write_cache(Path(folder), rows, teacher, encoding, ORIGIN, pad)
            nats = [train(CachedTeacher(cache), s) for s in range(size.seeds)]
            found.append(Outcome(name, cache.manifest.bytes / cache.manifest.tokens, nats))
        print(f"  {name}: {found[-1].nats}", flush=True)
    return found


def _text(model: Any, tokenizer: Any, pad: int, count: int) -> list[Sequence]:
    """Stories that the teacher samples from nothing but a beginning, cut where they get long."""
    engine = TransformersEngine(model, pad, {tokenizer.eos_token_id}, len(tokenizer))
    start = (tokenizer.bos_token_id,)
    done = engine.generate([start] * count, Sampling(LENGTH, batch_size=128), 0)
    numbers = itertools.count()
    return [Sequence(start, tuple(c.tokens), Author.TEACHER, next(numbers)) for c in done]


def _train(
    student: Any, source: Teacher, rows: list[Sequence], tokenizer: Any, steps: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=16,
            max_steps=steps,
            learning_rate=2e-3,
            lr_scheduler_type="cosine",
            warmup_steps=5,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        trainer = DistillTrainer(
            student,
            method=KD(),
            args=args,
            train_dataset=rows,
            processing_class=tokenizer,
            teacher=source,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    student.eval()
