"""Sampled generation, ours against transformers' ``generate``, side by side in one process.

    python -m benchmarks.generation [--quick] [--rounds N] [--table FILE]

Random Llamas, 128 prompt and 128 new tokens, temperature 1, no filters, no end. All ways take
turns within a round; a ratio is the median over rounds of ``generate``'s time to ours in the same
round, with the smallest and the largest in brackets. One thread is timed in CPU seconds of the
process, all threads by the wall.
"""

import argparse
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from benchmarks.measuring import Timing, interleave, ratio
from benchmarks.tables import processor
from limbeck.engines import Sampling
from limbeck.engines.transformers import TransformersEngine


@dataclass(frozen=True)
class Size:
    """A student and a batch of prompts."""

    batch: int
    hidden: int
    layers: int
    vocabulary: int
    prompt: int = 128
    new: int = 128

    def __str__(self) -> str:
        return (
            f"batch {self.batch}, h{self.hidden} x {self.layers} layers, V {self.vocabulary}, "
            f"{self.prompt} + {self.new}"
        )


SIZES = (
    Size(8, 128, 4, 32_000),
    Size(32, 128, 4, 32_000),
    Size(8, 128, 4, 2_000),
    Size(8, 512, 8, 32_000),
)
QUICK = (Size(8, 128, 4, 32_000, prompt=32, new=16),)
OURS, DYNAMIC, STATIC = "ours", "generate, dynamic cache", "generate, static cache"


def model_of(size: Size) -> LlamaForCausalLM:
    """A random student."""
    torch.manual_seed(0)
    heads = size.hidden // 64
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=size.prompt + size.new,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config).eval()


def ways(size: Size) -> dict[str, Callable[[], None]]:
    """What is compared; each asserts that it wrote all tokens."""
    model = model_of(size)
    ids = torch.randint(1, size.vocabulary, (size.batch, size.prompt))
    prompts, sampling = ids.tolist(), Sampling(size.new, batch_size=size.batch)
    engine = TransformersEngine(model, pad=0, eos=())

    def ours() -> None:
        done = engine.generate(prompts, sampling, seed=0)
        assert all(len(c.tokens) == size.new for c in done)

    def theirs(cache: str | None) -> Callable[[], None]:
        config = GenerationConfig(
            max_new_tokens=size.new,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
            cache_implementation=cache,
        )

        def call() -> None:
            mask = torch.ones_like(ids)
            out = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
            assert out.shape == (size.batch, size.prompt + size.new)

        return call

    return {OURS: ours, DYNAMIC: theirs(None), STATIC: theirs("static")}


def compare(size: Size, rounds: int, threads: int) -> dict[str, Timing]:
    """Seconds of each way, round by round."""
    torch.set_num_threads(threads)
    calls = ways(size)
    for call in calls.values():
        call()
    return interleave(calls, rounds)


def row(size: Size, threads: int, timings: dict[str, Timing]) -> str:
    """A row of the table."""
    own = timings[OURS]
    dynamic, static = (ratio(timings[name], own) for name in (DYNAMIC, STATIC))
    speed = size.batch * size.new / own.median
    return f"| {size} | {threads} | {speed:.0f} | {dynamic} | {static} |"


def table(sizes: Sequence[Size], rounds: int, thread_counts: Sequence[int], command: str) -> str:
    """All of it, as Markdown."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "limbeck"))
    lines = [
        "# Generation",
        "",
        f"`{command}`, {datetime.date.today()}: {processor()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {packages}; {rounds} rounds.",
        "",
        "How many times as long `generate` takes: median of paired ratios [smallest, largest]. One "
        "thread: CPU seconds; more: wall.",
        "",
        "| size (prompt + new tokens) | threads | our tokens/s | dynamic cache | static cache |",
        "|---|---|---|---|---|",
    ]
    for size in sizes:
        for threads in thread_counts:
            lines.append(row(size, threads, compare(size, rounds, threads)))
            print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small size, in seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", type=Path, help="write the Markdown table here")
    args = parser.parse_args(words)
    words = sys.argv[1:] if words is None else words
    threads = sorted({1, os.cpu_count() or 1})
    command = shlex.join(["python", "-m", "benchmarks.generation", *words])
    text = table(QUICK if args.quick else SIZES, args.rounds, threads, command)
    if args.table:
        args.table.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
