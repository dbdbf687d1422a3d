"""Teacher caches: reading speed, size and bias of the encodings, a step, a real pair.

    python -m benchmarks.cache [--quick] [--only SECTION ...] [--table FILE]
        [--distillkit FOLDER] [--models FOLDER]

Sections: `reading` (formats, warm and cold; DistillKit's where its source is given), `encodings`
(bytes, errors and bias on synthetic distributions), `step` (a training step beside one of SFT) and
`pair` (held-out KL of students trained from each encoding; needs `--models`, a folder that holds
`stories260K`).
"""

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cache_formats import LENGTH, Format, Signal, formats
from benchmarks.measuring import interleave, ratio
from benchmarks.tables import Goal, Report
from limbeck.caching import SampledEncoding, TopKEncoding
from limbeck.divergences import Head
from limbeck.targets import Projected, Sampled, TopK

VOCABULARY, K = 151_936, 128
DRAWS = 25


def reading(args: argparse.Namespace) -> Report:
    sequences, batch, rounds = (64, 8, 3) if args.quick else (512, 16, 9)
    report = Report(
        "Reading a cache: from the disk to tensors of ids and log-probabilities",
        f"k = {K}, V = {VOCABULARY:,}, {sequences} sequences of {LENGTH} tokens, {batch} random ones "
        "at a time, one thread. Warm: processor seconds, formats in turns, median of the rounds. "
        "Cold: wall seconds after the system was asked to drop the files from memory; the disk is "
        "part of it, so it says more about the machine.",
        ("format", "bytes/token", "warm, tokens/s", "cold, tokens/s", "warm / DistillKit"),
    )
    signal = Signal.draw(sequences, K, VOCABULARY)
    order = random.Random(0)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = [kind(Path(folder), signal) for kind in formats(args.distillkit)]
        calls = {f.name: partial(_some, f, order, sequences, batch) for f in found}
        for form, call in zip(found, calls.values(), strict=True):
            form.reopen()
            call()
        timings = interleave(calls, rounds * 3, fewer={"DistillKit, recommended": rounds})
        cold = {f.name: _cold(f, order, sequences, batch, rounds) for f in found}
        peer = timings.get("DistillKit, recommended")
        for f in found:
            times = ratio(peer, timings[f.name]) if peer else "-"
            warm = batch * LENGTH / timings[f.name].median
            report.add(
                f.name, f"{f.bytes_per_token:.0f}", f"{warm:,.0f}", f"{cold[f.name]:,.0f}", times
            )
        packed = next(f for f in found if f.name == "Limbeck topk")
        if peer:
            theirs = next(f for f in found if f.name.startswith("DistillKit"))
            speed = ratio(peer, timings["Limbeck topk"]).median
            report.goals += [
                Goal("topk / DistillKit, tokens/s", speed, 100, at_least=True),
                Goal(
                    "topk / DistillKit, bytes",
                    packed.bytes_per_token / theirs.bytes_per_token,
                    1.25,
                ),
            ]
    return report


def encodings(args: argparse.Namespace) -> Report:
    rows, vocabulary = (100, 4096) if args.quick else (400, 32_000)
    report = Report(
        "Size, error and bias of the encodings",
        f"{rows} synthetic tokens with Zipf's law of exponents 1 to 2.5, V = {vocabulary:,}, "
        f"encoded (samples: {DRAWS} times) and decoded. Of top-k the kept tokens alone, renormalised, "
        "as such caches are often used: with the rest event, which Limbeck keeps, nothing is moved "
        "into them, and nothing is asked within the rest. Bias: mass by which the mean "
        "estimate is off in the worst of the buckets of ranks 1, 2-4, 5-16, ... . Gradient error: "
        "root mean square over tokens of the "
        "length of the difference between q - p and its estimate, which does not depend on q.",
        ("encoding", "bytes/token", "bias", "gradient error", "mean error of log p", "largest"),
    )
    p, shown = _zipf(rows, vocabulary)
    kinds: list[tuple[str, Any]] = [
        *((f"topk, k = {k}", TopKEncoding(vocabulary, k)) for k in (12, 50, 128)),
        ("topk-f16, k = 128", TopKEncoding(vocabulary, 128, "f16")),
        *((f"sampled, n = {n}", SampledEncoding(vocabulary, n)) for n in (12, 22, 50, 100)),
        ("sampled, n = 8, 8 exact", SampledEncoding(vocabulary, 8, 8)),
        ("sampled, n = 16, 16 exact", SampledEncoding(vocabulary, 16, 16)),
    ]
    figures = {}
    for name, encoding in kinds:
        sums, sizes, squares = torch.zeros_like(p), [], []
        times = DRAWS if encoding.ragged and not args.quick else 1
        for seed in range(times):
            columns = encoding.encode(shown, seed)
            sizes.append(sum(a.nbytes for a in columns.values()) / rows)
            target = encoding.target(columns, torch.device("cpu"))
            estimate = _estimate(target, vocabulary)
            squares.append(float((estimate - p).square().sum(-1).mean()))
            sums += estimate
        size, error = float(np.mean(sizes)), float(np.mean(squares)) ** 0.5
        bias = _bias(sums / times, p)
        mean, largest = _error(target, p)
        figures[name] = (size, bias, error)
        report.add(name, f"{size:.1f}", f"{bias:.2g}", f"{error:.3f}", mean, largest)
    size, bias, error = figures["sampled, n = 50"]
    report.goals += [
        Goal("sampled, n = 50: bytes/token", size, 60),
        Goal("sampled, n = 50: bias", bias, 0.002),
        Goal(
            "sampled, n = 50: gradient error / top-50's",
            error / figures["topk, k = 50"][2],
            1,
        ),
    ]
    return report


def step(args: argparse.Namespace) -> Report:
    from benchmarks.cache_step import timed

    rounds = 3 if args.quick else 7
    report = Report(
        "A training step from a cache beside a step of SFT",
        "Forward and backward of the same student on the same batch of 8 x (128 + 128) tokens; one "
        "thread, processor seconds, in turns, median of the rounds and of the ratios within a round.",
        ("V", "target", "s", "/ SFT"),
    )
    for vocabulary in (2048,) if args.quick else (2048, 32_000):
        timings = timed(vocabulary, rounds)
        for name, timing in timings.items():
            report.add(
                f"{vocabulary:,}", name, f"{timing.median:.3g}", ratio(timing, timings["sft"])
            )
        bound = ratio(timings["topk, k = 128"], timings["sft"]).median
        report.goals.append(Goal(f"topk / SFT at V = {vocabulary:,}", bound, 1.1))
    return report


def pair(args: argparse.Namespace) -> Report:
    from benchmarks.cache_pair import LENGTH as LONGEST
    from benchmarks.cache_pair import Size, outcomes

    size = Size(rows=96, held_out=32, steps=6, seeds=1) if args.quick else Size()
    report = Report(
        "A real pair: stories260K and its copy with every second layer",
        f"kd on {size.rows:,} texts of up to {LONGEST} tokens that the teacher sampled, "
        f"{size.steps} steps of 16, {size.seeds} seeds, V = 512. KL(teacher, student) in nats per "
        f"token on {size.held_out} other texts; the difference is paired by seed, with its smallest "
        "and largest value. Bytes are those of the shards.",
        ("trained from", "bytes/token", "KL, nats/token", "difference"),
    )
    found = outcomes(args.models / "stories260K", size)
    dense = found[0]
    for o in found:
        gaps = [a - b for a, b in zip(o.nats, dense.nats, strict=True)]
        each = "-" if o.bytes_per_token is None else f"{o.bytes_per_token:.1f}"
        gap = "" if o is dense else f"{np.mean(gaps):+.4f} [{min(gaps):+.4f}, {max(gaps):+.4f}]"
        report.add(o.name, each, f"{o.mean:.4f}", gap)
    return report


SECTIONS: dict[str, Callable[[argparse.Namespace], Report]] = {
    "reading": reading,
    "encodings": encodings,
    "step": step,
    "pair": pair,
}


def _some(form: Format, order: random.Random, sequences: int, batch: int) -> int:
    ids, _ = form.read([order.randrange(sequences) for _ in range(batch)])
    assert len(ids) == batch * LENGTH
    return len(ids)


def _cold(form: Format, order: random.Random, sequences: int, batch: int, rounds: int) -> float:
    """Tokens a second when the files are not in memory."""
    spent = []
    for _ in range(rounds):
        form.reopen()
        began = time.perf_counter()
        _some(form, order, sequences, batch)
        spent.append(time.perf_counter() - began)
    return batch * LENGTH / float(np.median(spent))


def _zipf(rows: int, vocabulary: int) -> tuple[Tensor, Projected]:
    """Distributions, and a head that makes them of one-hot states."""
    g = torch.Generator().manual_seed(0)
    exponent = torch.linspace(1, 2.5, rows)[:, None]
    logits = -exponent * torch.arange(1, vocabulary + 1).log()
    order = torch.rand(rows, vocabulary, generator=g).argsort(-1)
    logits = logits.gather(-1, order)
    return logits.double().softmax(-1), Projected(torch.eye(rows), Head(logits.T.contiguous()))


def _estimate(target: TopK | Sampled, vocabulary: int) -> Tensor:
    """The distribution over the vocabulary that a target amounts to."""
    mass = target.mass if isinstance(target, Sampled) else target.log_p.softmax(-1)
    empty = torch.zeros(len(mass), vocabulary, dtype=torch.float64)
    return empty.scatter_add(-1, target.ids.long(), mass.double())


def _bias(estimate: Tensor, p: Tensor) -> float:
    order = p.argsort(-1, descending=True)
    gap = (estimate - p).gather(-1, order).mean(0)
    edges = [0, *(4**i for i in range(20) if 4**i < len(gap)), len(gap)]
    return max(abs(float(gap[a:b].sum())) for a, b in itertools.pairwise(edges))


def _error(target: TopK | Sampled, p: Tensor) -> tuple[str, str]:
    """Of kept log-probabilities: mean weighted with p, and largest."""
    if isinstance(target, Sampled):
        return "-", "-"
    kept = p.gather(-1, target.ids.long())
    error = (target.log_p - kept.log()).abs()
    return f"{float((error * kept).sum() / kept.sum()):.2g}", f"{float(error.max()):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute at most")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--table", type=Path, help="file for the Markdown")
    parser.add_argument("--distillkit", type=Path, help="DistillKit's source, for its reader")
    parser.add_argument("--models", type=Path, help="folder that holds stories260K")
    parser.add_argument("--folder", type=Path, help="disk to read from; by default the system's")
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts = []
    for section in args.only:
        if section == "pair" and args.models is None:
            continue
        print(f"cache: {section}", flush=True)
        report = SECTIONS[section](args)
        if args.quick:
            report.goals.clear()
            report.reading += " Small sizes: they show that the program works, not how fast."
        report.finish("", None)
        more = " --distillkit FOLDER" if section == "reading" and args.distillkit else ""
        more += " --models FOLDER" if section == "pair" else ""
        quick = " --quick" if args.quick else ""
        texts.append(report.markdown(f"python -m benchmarks.cache --only {section}{quick}{more}"))
    if args.table:
        args.table.write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
