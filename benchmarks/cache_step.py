"""The time of a training step from a cache, from a model, and of SFT."""

import functools
import tempfile
from pathlib import Path

from transformers import TrainingArguments

from benchmarks.measuring import Timing, interleave
from benchmarks.tiny import PAD, World, arguments
from limbeck.caching import CachedTeacher, Origin, SampledEncoding, TopKEncoding, write_cache
from limbeck.console import console
from limbeck.methods import KD, SFT, Method
from limbeck.targets import ModelTeacher, Teacher
from limbeck.training import DistillTrainer

ORIGIN = Origin({}, {}, {}, {}, {}, 0)


def timed(vocabulary: int, rounds: int) -> dict[str, Timing]:
    """Forward and backward from each source of the teacher's signal, in turns."""
    console.quiet = True
    world = World(vocabulary)
    rows, tokenizer = world.rows(1), world.tokenizer()
    student, model = world.models()
    teacher = ModelTeacher(model, vocabulary)
    encodings = {
        "topk, k = 128": TopKEncoding(vocabulary, 128),
        "sampled, n = 50": SampledEncoding(vocabulary, 50),
    }
    with tempfile.TemporaryDirectory() as folder:
        sources: dict[str, Teacher | None] = {"sft": None, "the model": teacher}
        for name, encoding in encodings.items():
            cache = write_cache(Path(folder) / name, rows, teacher, encoding, ORIGIN, PAD)
            sources[name] = CachedTeacher(cache)

        def one(source: Teacher | None) -> None:
            trainer = trainers[source]
            student.zero_grad()
            trainer.compute_loss(student, batch).backward()

        methods: dict[Teacher | None, Method] = {s: KD() if s else SFT() for s in sources.values()}
        trainers = {
            source: DistillTrainer(
                student,
                method=method,
                args=arguments(world, 1, folder, TrainingArguments),
                train_dataset=rows,
                processing_class=tokenizer,
                teacher=source,
            )
            for source, method in methods.items()
        }
        batch = trainers[None]._pad(rows)
        student.train()
        calls = {name: functools.partial(one, source) for name, source in sources.items()}
        for call in calls.values():
            call()
        return interleave(calls, rounds)
