"""Two processes with a core each beside one process with a core.

    python -m benchmarks.ranks [--quick] [--rounds N] [--tables FOLDER]

Knowledge distillation of the small models in `benchmarks.tiny`; the ranks talk over gloo. Every
training is a process (or two) of its own, pinned to its core where the system allows it.
"""

import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PrinterCallback, TrainingArguments

from benchmarks.measuring import Timing, in_fresh_process, ratio
from benchmarks.program import run_sections
from benchmarks.tables import Goal, Report
from benchmarks.tiny import StepClock, World, arguments
from limbeck import DistillTrainer
from limbeck.methods import KD
from limbeck.ranks import leave

RANKS = 2


@dataclass(frozen=True)
class Plan:
    """How large and how often; ``steps`` of each training count, for each world."""

    worlds: Sequence[World]
    steps: Sequence[int]
    rounds: int


FULL = Plan((World(32_000), World(2_000)), steps=(5, 15), rounds=3)
SMALL = World(200, batch=2, prompt=8, completion=8, student=(1, 16), teacher=(1, 16))
QUICK = Plan((SMALL,), steps=(2,), rounds=1)


def kd(plan: Plan) -> Report:
    world = plan.worlds[0]
    report = Report(
        f"Training on {RANKS} ranks",
        "Supervised tokens per second of the wall's clock, medians over interleaved rounds; each "
        "rank is a process with one core and one thread, and takes as large a batch as the one "
        "process alone. Speed-up: median of the rounds' own ratios [smallest, largest]. Method "
        f"kd; Llama, layers x width {world.student} and {world.teacher}, random weights, float32; "
        f"{world.batch} x ({world.prompt} + {world.completion}) tokens a step and rank. "
        f"The learning rate is 0: the loss of {RANKS} ranks is then that of as many steps of one, "
        "which is checked. Other work on the machine disturbs these figures.",
        ("V", "tokens/s, 1 rank", f"tokens/s, {RANKS} ranks", "speed-up", "first loss"),
    )
    for world, steps in zip(plan.worlds, plan.steps, strict=True):
        one, many = Timing(), Timing()  # seconds for each token
        for _ in range(plan.rounds):
            alone, single = _train(world, steps, 1)
            together, loss = _train(world, steps, RANKS)
            _agree(loss[0], sum(single[:RANKS]) / RANKS)
            one.seconds.append(alone)
            many.seconds.append(together)
        gain = ratio(one, many)
        speeds = (f"{1 / t.median:,.0f}" for t in (one, many))
        report.add(world.vocabulary, *speeds, gain, f"{loss[0]:.5f}")
        what = f"{RANKS} ranks / 1 rank, V {world.vocabulary}"
        report.goals.append(Goal(what, gain.median, 1.8, at_least=True))
    return report


def _train(world: World, steps: int, ranks: int) -> tuple[float, list[float]]:
    """Seconds for each supervised token, and the first losses."""
    words = ["worker", json.dumps(dataclasses.asdict(world)), str(steps), str(ranks)]
    if ranks == 1:
        found = in_fresh_process("benchmarks.ranks", words, threads=1)
    else:
        start = ["--standalone", "--nproc-per-node", str(ranks), "-m", "benchmarks.ranks"]
        found = in_fresh_process("torch.distributed.run", start + words, threads=1)
    if found["ranks"] != ranks:
        raise AssertionError(f"{found['ranks']} ranks took part, not {ranks}")
    return found["seconds"] / (world.tokens * ranks), found["losses"]


def _agree(loss: float, expected: float) -> None:
    """Ranks must train on different rows, towards the same loss.

    Raises:
        AssertionError: They do something else, so that their speed says nothing.
    """
    if not abs(loss / expected - 1) <= 1e-4:
        raise AssertionError(f"{RANKS} ranks start with a loss of {loss}, one has {expected}")


def worker(world: World, steps: int, ranks: int) -> None:
    """Train as one of the ranks; the first prints what it saw."""
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.set_num_threads(1)
    student, teacher = world.models()
    with tempfile.TemporaryDirectory() as folder:
        trainer = DistillTrainer(
            student,
            teacher=teacher,
            method=KD(),
            args=arguments(world, steps + 1, folder, TrainingArguments, learning_rate=0.0),
            train_dataset=world.rows(steps + 1, ranks),
            processing_class=world.tokenizer(),
        )
        clock = StepClock(time.perf_counter)
        trainer.add_callback(clock)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    if rank == 0:
        found = {
            "seconds": clock.seconds,
            "ranks": trainer.accelerator.num_processes,
            "losses": [h["loss"] for h in trainer.state.log_history if "loss" in h],
        }
        print(json.dumps(found), flush=True)
    leave()


SECTIONS = {"kd": kd}


def main(words: Sequence[str] | None = None) -> None:
    run_sections("ranks", __doc__, SECTIONS, FULL, QUICK, words)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        world, steps, ranks = sys.argv[2:]
        worker(World(**json.loads(world)), int(steps), int(ranks))
    else:
        main()
