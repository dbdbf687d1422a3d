"""One rank of a training: ``torchrun ... -m training.ranks_worker FOLDER PER_DEVICE``.

Rank 0 writes ``FOLDER/result.pt``; `run` is also called in the test's own process, for one rank.
"""

import dataclasses
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from limbeck.engines import Sampling, Scripted
from limbeck.methods import GKD, KD
from limbeck.targets import ModelTeacher
from limbeck.training import fit
from two_ranks import depart

from .models import build_tokenizer
from .world import make_args, make_rows, make_student, make_teacher, make_trainer, reply, weights

CASES = {
    # The head is tied to the embedding in the second; the third trains on nothing it was given.
    "kd": (KD(lmbda=0.4, temperature=2.0), {}),
    "gkd": (GKD(lmbda=0.5, beta=0.3), {"tie_word_embeddings": True}),
    "gkd on policy": (GKD(lmbda=1.0, beta=1.0), {}),
    "one base": (KD(), {}),  # student and teacher are adapters on one base
}


def silent_for_some(prompt):
    """Nothing for every other prompt, so that a rank may have no token in a micro-batch."""
    return reply(prompt) if sum(prompt) % 2 else ()


def two_adapters(base):
    config = LoraConfig(target_modules=["q_proj", "down_proj"], r=2)
    model = get_peft_model(base, config)
    model.add_adapter("teacher", config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))
    model.set_adapter("default")
    return model


ROWS, EVAL_ROWS = make_rows(16), make_rows(5, seed=3)  # of five, one rank gets a row less


def settings(per_device):
    return {
        "per_device_train_batch_size": per_device,
        "per_device_eval_batch_size": 1,
        "gradient_accumulation_steps": 4,
        "max_steps": 4,
        "eval_strategy": "steps",
        "eval_steps": 2,
    }


def trained(folder, name, per_device):
    method, config = CASES[name]
    student, teacher = make_student(**config), make_teacher()
    if name == "one base":
        student = two_adapters(student)
        teacher = ModelTeacher(student, vocabulary=32, adapter="teacher")
    trainer = make_trainer(
        folder,
        method,
        student,
        teacher,
        rows=ROWS,
        eval_dataset=EVAL_ROWS,
        **settings(per_device),
    )
    answer = silent_for_some if name == "gkd on policy" else reply
    trainer.sources = dataclasses.replace(trainer.sources, student=Scripted(answer))
    trainer.train()
    return {
        "weights": weights(student),
        "log": trainer.state.log_history,
        "ranks": trainer.accelerator.num_processes,
    }


def resumed(folder, per_device):
    """To the end, and then once more from the checkpoint half-way."""
    for attempt in ("whole", "half"):
        args = make_args(folder, save_strategy="steps", save_steps=2, **settings(per_device))
        student = make_student()
        done = fit(
            student,
            KD(),
            args,
            ROWS,
            EVAL_ROWS,
            build_tokenizer(),
            ModelTeacher(make_teacher(), vocabulary=32),
            Sampling(),
            lambda *count, **note: None,
        )
        if attempt == "whole":
            if args.process_index == 0:
                shutil.rmtree(folder / "checkpoint-4")
            if args.world_size > 1:
                torch.distributed.barrier()
    return {
        "weights": weights(student),
        "log": [*done.curve, *done.eval_curve],
        "ranks": args.world_size,
        "seen": (done.tokens, done.sequences),
    }


def run(folder, per_device):
    results = {name: trained(folder, name, per_device) for name in CASES}
    return results | {"resumed": resumed(folder, per_device)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    results = run(folder, int(sys.argv[2]))
    if torch.distributed.get_rank() == 0:
        torch.save(results, folder / "result.pt")
    depart()
