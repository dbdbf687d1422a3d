"""The loss on a GPU, beside the four products it needs and beside its peers.

    python -m benchmarks.gpu [--quick] [--table FILE]

measures everything in one go: time between CUDA events in interleaved rounds, peak memory beyond
inputs and weights, and the error of loss and gradients against float64. Any size can be given, and
``--device cpu`` runs the same with the processor's clock and without memory.
"""

import argparse
import functools
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import Timing, ratio, seconds
from benchmarks.peers import METHODS, check, reference, warm_up
from benchmarks.problem import Floor, Problem, Size
from benchmarks.tables import Goal, Report
from benchmarks.textbook import BY_NAME, JSD, Divergence
from limbeck.divergences import row_kernels

FULL = Size(8192, 151_936, 1536, 3584)
QUICK = Size(2048, 32_000, 896, 1536)
PACKAGE = {"trl": "trl", "liger": "liger_kernel"}
# Trips that read both logits before the gradient: where the value is no sum of log-ratios, one
# for the normalisers and one for the value.
TRIPS = {"FKL": 1, "RKL": 1, "JSD": 2, "SKL": 2, "SRKL": 2, "TVD": 2, "alpha-beta": 2}
# Beside its trips a logit is written twice (both sides, float32), read twice for the gradient,
# which is written once and read by two products in half precision.
BYTES_A_TRIP, OTHER_BYTES = 8, 8 + 8 + 2 + 4
WRONG = 0.1  # an error that half precision does not explain


def main(words: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(words)
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "no CUDA device: nothing measured (--device cpu shows that it works)", file=sys.stderr
        )
        raise SystemExit(2)
    base = QUICK if args.quick else FULL
    given = {"tokens": args.rows, "vocabulary": args.vocabulary}
    given |= {"student": args.student, "teacher": args.teacher}
    size = replace(base, **{name: value for name, value in given.items() if value})
    peers = [name for name in args.peers if _installed(name)]
    problem = _on(device, Problem.draw(size, getattr(torch, args.dtype)))
    rounds = args.rounds or (3 if args.quick else 9)
    report = _report(size, problem, rounds)
    floor = Floor(problem)
    floor()
    bandwidth = _bandwidth(device)
    for name in args.divergences:
        _measure(report, BY_NAME[name], problem, floor, bandwidth, peers, rounds, args.checked)
    if size != FULL or device.type != "cuda":
        report.goals.clear()  # they are of this size
    shown = sys.argv[1:] if words is None else words
    report.finish(" ".join(("python -m benchmarks.gpu", *shown)), args.table)


def _measure(
    report: Report,
    d: Divergence,
    problem: Problem,
    floor: Floor,
    bandwidth: float,
    peers: Sequence[str],
    rounds: int,
    checked: int,
) -> None:
    """One divergence: a row of the table for each program, the floor, and the roofline."""
    device = problem.labels.device
    # Compiling peers forget what was compiled before, so they come first.
    names = [*(name for name in peers if d.beta is not None), "limbeck"]
    errors = _errors(problem.first(checked), d, names)
    warm_up([name for name in names if name != "limbeck"], problem, d)
    peaks = {name: _peak(functools.partial(METHODS[name], problem, d), device) for name in names}
    calls = {name: functools.partial(METHODS[name], problem, d) for name in reversed(names)}
    timings = _interleave({"floor": floor, **calls}, rounds, device)
    own, bare = timings["limbeck"], timings["floor"]
    elements = len(problem.labels) * len(problem.student_head)
    traffic = elements * (TRIPS[d.name] * BYTES_A_TRIP + OTHER_BYTES) / bandwidth
    roofline = Timing([second + traffic for second in bare.seconds])
    for name, timing in {"floor": bare, "roofline": roofline, **timings}.items():
        report.add(
            d.name,
            name,
            f"{timing.median * 1e3:.4g}",
            ratio(timing, own),
            _gigabytes(peaks.get(name)),
            *(f"{error:.1e}" for error in errors.get(name, ())),
            *[""] * (0 if name in errors else 3),
        )
    report.goals.append(Goal(f"{d.name}: Limbeck / floor", ratio(own, bare).median, 1.35))
    if (peak := peaks["limbeck"]) is not None:
        report.goals.append(Goal(f"{d.name}: peak, GB", peak / 1e9, 2.3))
    report.goals.append(Goal(f"{d.name}: error of dH", errors["limbeck"][1], 6e-3))
    if d is JSD:
        for name, bound in {"trl chunked": 1.9, "liger compiled": 1.4}.items():
            if name in timings:
                value = ratio(timings[name], own).median
                report.goals.append(Goal(f"JSD: {name} / Limbeck", value, bound, at_least=True))


def _errors(
    part: Problem, d: Divergence, names: Sequence[str]
) -> dict[str, tuple[float, float, float]]:
    """Errors of loss, dH and dW by program, against float64 on the same numbers."""
    expected = reference(part, d)
    errors = {}
    for name in names:
        found = METHODS[name](part, d)
        check(name, found, expected, WRONG)
        loss = abs(float(found.loss) / float(expected.loss) - 1)
        errors[name] = (loss, *found.errors(expected))
    return errors


def _interleave(
    calls: Mapping[str, Callable[[], Any]], rounds: int, device: torch.device
) -> dict[str, Timing]:
    """Calls take turns; one more round before, which does not count."""
    timings = {name: Timing() for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            spent = _between_events(call) if device.type == "cuda" else seconds(call)[0]
            if number:
                timings[name].seconds.append(spent)
    return timings


def _between_events(call: Callable[[], Any]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3


def _peak(call: Callable[[], Any], device: torch.device) -> int | None:
    """Bytes that a call allocates at its worst, what it returns included; None where unknown."""
    call()  # what is kept for ever, such as the workspace of the products, is there afterwards
    if device.type != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.ones(2**28 if device.type == "cuda" else 2**22, device=device)
    target = torch.empty_like(source)
    copy = functools.partial(target.copy_, source)
    spent = _interleave({"copy": copy}, 5, device)["copy"].median
    return 2 * source.numel() * source.itemsize / spent


def _on(device: torch.device, p: Problem) -> Problem:
    return Problem(
        p.teacher_hidden.to(device),
        p.teacher_head.to(device),
        p.student_hidden.detach().to(device).requires_grad_(),
        p.student_head.detach().to(device).requires_grad_(),
        p.labels.to(device),
    )


def _installed(peer: str) -> bool:
    package = PACKAGE[peer.split()[0]]
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"{peer} is left out: {package} is not installed")
    return found


def _report(size: Size, problem: Problem, rounds: int) -> Report:
    device, dtype = problem.labels.device, problem.student_head.dtype
    if device.type == "cuda":
        machine, clock = torch.cuda.get_device_name(device), "time between CUDA events"
    else:
        machine, clock = device.type, "the processor's clock"
    return Report(
        "The loss on a GPU",
        f"{machine}, CUDA {torch.version.cuda}, row kernels: {row_kernels(device)}; N x V, Hs/Ht: "
        f"{size}, {str(dtype).removeprefix('torch.')}. Milliseconds: {clock}, median of {rounds} "
        "interleaved rounds in one process; ratios are medians of the rounds' own ratios "
        "[smallest, largest]. Floor: the four products alone, logits in the dtype of the weights. "
        "Roofline: the floor and the traffic of float32 logits at the speed of a copy, measured "
        "here, without overlap. Peak: memory beyond inputs and weights, returned gradients "
        "included. Errors against float64 on the first rows: of the loss relative to it, of the "
        "gradients relative to their largest entry.",
        ("D", "program", "ms", "over Limbeck", "peak, GB", "loss", "dH", "dW"),
    )


def _gigabytes(peak: int | None) -> str:
    return "" if peak is None else f"{peak / 1e9:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    peers = ("trl chunked", "trl gkd", "liger compiled", "liger")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}, 3 rounds")
    parser.add_argument("--table", type=Path, help="Markdown file to write")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    for name, what in (
        ("rows", "tokens N"),
        ("vocabulary", "V"),
        ("student", "width of the student, Hs"),
        ("teacher", "width of the teacher, Ht"),
        ("rounds", "interleaved rounds"),
    ):
        parser.add_argument(f"--{name}", type=int, help=what)
    parser.add_argument("--checked", type=int, default=64, help="rows compared with float64")
    parser.add_argument(
        "--divergences", nargs="+", choices=TRIPS, default=["JSD", "FKL", "RKL", "SKL"]
    )
    parser.add_argument(
        "--peers", nargs="*", choices=peers, default=["trl chunked", "liger compiled"]
    )
    return parser


if __name__ == "__main__":
    main()
