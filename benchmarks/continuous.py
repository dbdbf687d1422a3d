"""Greedy generation of prompts of mixed lengths: our batches against continuous batching.

    python -m benchmarks.continuous MODEL [--quick] [--rounds N] [--table FILE]

64 prompts of 4 to 64 random ids, 64 new tokens each, on one CPU thread. Continuous batching is
transformers' ``generate_batch``, as it comes and with small pages and batches, which suit a small
model. Each way writes the same tokens, which is checked. All take turns within a round; a ratio is
the median over rounds of its CPU seconds to ours, with the smallest and the largest in brackets.
"""

import argparse
import datetime
import platform
import random
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from benchmarks.measuring import Timing, interleave, ratio
from benchmarks.tables import processor
from limbeck.engines import Sampling
from limbeck.engines.transformers import TransformersEngine

OURS, PLAIN, SMALL = "ours", "continuous, defaults", "continuous, small pages"
SMALL_PAGES = {"num_blocks": 520, "page_size": 16, "max_batch_tokens": 128}


def ways(model: Any, count: int, new: int) -> dict[str, Callable[[], None]]:
    """What is compared; each asserts that it wrote the same tokens."""
    draw = random.Random(0)
    vocabulary = model.config.vocab_size
    prompts = [
        [draw.randrange(3, vocabulary) for _ in range(draw.randint(4, 64))] for _ in range(count)
    ]
    engine, sampling = TransformersEngine(model, pad=0, eos=()), Sampling(new, 0.0, batch_size=64)
    expected = [list(c.tokens) for c in engine.generate(prompts, sampling, seed=0)]

    def ours() -> None:
        done = engine.generate(prompts, sampling, seed=0)
        assert [list(c.tokens) for c in done] == expected

    def theirs(**settings: int) -> Callable[[], None]:
        config = GenerationConfig(
            max_new_tokens=new, do_sample=False, pad_token_id=0, eos_token_id=-1
        )

        def call() -> None:
            done = model.generate_batch(
                inputs=prompts,
                generation_config=config,
                continuous_batching_config=ContinuousBatchingConfig(**settings),
            )
            tokens = {name: out.generated_tokens for name, out in done.items()}
            assert [tokens[f"req_{i}"] for i in range(count)] == expected

        return call

    return {OURS: ours, PLAIN: theirs(), SMALL: theirs(**SMALL_PAGES)}


def table(timings: dict[str, Timing], count: int, new: int, rounds: int, command: str) -> str:
    """The result, as Markdown."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "limbeck"))
    lines = [
        "# Continuous batching",
        "",
        f"`{command}`, {datetime.date.today()}: {processor()}, one thread, "
        f"Python {platform.python_version()}, {packages}; {rounds} rounds.",
        "",
        f"{count} prompts of 4 to 64 tokens, {new} new tokens each, greedy. CPU seconds; ratios to "
        "ours: median of paired ratios [smallest, largest].",
        "",
        "| way | tokens/s | times as long as ours |",
        "|---|---|---|",
    ]
    for name, timing in timings.items():
        times = "" if name == OURS else str(ratio(timing, timings[OURS]))
        lines.append(f"| {name} | {count * new / timing.median:.0f} | {times} |")
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a small model")
    parser.add_argument("--quick", action="store_true", help="eight prompts, in seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="write the Markdown table here")
    args = parser.parse_args(words)
    words = sys.argv[1:] if words is None else words
    torch.set_num_threads(1)
    count, new = (8, 8) if args.quick else (64, 64)
    calls = ways(AutoModelForCausalLM.from_pretrained(args.model).eval(), count, new)
    timings = interleave(calls, args.rounds)
    # Where the model lies on this machine is nobody's business.
    shown = [Path(args.model).name if word == args.model else word for word in words]
    command = shlex.join(["python", "-m", "benchmarks.continuous", *shown])
    text = table(timings, count, new, args.rounds, command)
    print(text)
    if args.table:
        args.table.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
