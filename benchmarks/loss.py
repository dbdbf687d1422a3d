"""Loss and gradients from hidden states: Limbeck, the four bare products, TRL and Liger.

    python -m benchmarks.loss [--quick] [--rounds N] [--only SECTION ...] [--tables FOLDER]

Sections: `grid` (six divergences at three sizes against the products alone), `parts` (what the loss
adds to them), `others` (further
divergences, and a user's own function), `peers`, `masked`, `memory`, `bf16`, and `wall` (all
threads). Every section writes its own file, so that one can be measured again alone. Before a time
counts, loss and gradients are compared with float64 or with one another.
"""

import functools
import math
import os
from collections.abc import Sequence

import torch

from benchmarks.measuring import geometric_mean, interleave, ratio
from benchmarks.peak import memory
from benchmarks.peers import METHODS, warm_up
from benchmarks.plan import (
    CLOCK,
    FULL,
    OWN_ALLOCATOR,
    QUICK,
    Plan,
    allocator_of_each,
    check_one,
    compare,
)
from benchmarks.problem import Floor, Problem
from benchmarks.program import run_sections
from benchmarks.tables import Goal, Report
from benchmarks.textbook import ADAPTIVE, ALPHA_BETA, FKL, GRID, JSD, RKL, SKL, SRKL, TVD


def grid(plan: Plan) -> Report:
    report = Report(
        "The loss beside the four products it needs",
        CLOCK + "The floor is student and teacher logits and the two gradients' products, all "
        "rows at once, into memory that is there already. Error: the larger of loss (relative) "
        "and gradients (relative to the largest entry), against float64.",
        ("N x V, Hs/Ht", "D", "floor, s", "Limbeck, s", "Limbeck / floor", "tokens/s", "error"),
    )
    ratios = []
    for size in plan.sizes:
        problem = Problem.draw(size)
        errors = {d.name: check_one(problem, d) for d in GRID}
        calls = {d.name: functools.partial(METHODS["limbeck"], problem, d) for d in GRID}
        floor = Floor(problem)
        floor()
        timings = interleave({"floor": floor, **calls}, plan.at(size))
        for d in GRID:
            own, bare = timings[d.name], timings["floor"]
            ratios.append(ratio(own, bare))
            speed = f"{size.tokens / own.median:,.0f}"
            report.add(
                size,
                d.name,
                f"{bare.median:.3g}",
                f"{own.median:.3g}",
                ratios[-1],
                speed,
                f"{errors[d.name]:.1g}",
            )
    medians = [r.median for r in ratios]
    report.goals += [
        Goal("Limbeck / floor, geometric mean", geometric_mean(medians), 1.08),
        Goal("Limbeck / floor, worst case", max(medians), 1.2),
    ]
    return report


def parts(plan: Plan) -> Report:
    """Where the loss spends what it spends beyond the floor."""
    size = plan.sizes[0]
    report = Report(
        "What the loss adds to its four products",
        CLOCK + "The products in chunks are Limbeck with a divergence that does nothing; the "
        "rest is the divergence and its gradient, per logit. An exponential of each side is in "
        f"it: softmax alone takes the time of the last line. N x V, Hs/Ht: {size}.",
        ("what", "seconds", "of the floor", "ns a logit"),
    )
    problem = Problem.draw(size)
    floor = Floor(problem)
    idle = functools.partial(
        METHODS["limbeck"], problem, FKL, lambda log_p, log_q: log_q.logits[:, 0] * 0
    )
    calls = {d.name: functools.partial(METHODS["limbeck"], problem, d) for d in GRID}
    logits = torch.randn(8, size.vocabulary)
    floor()
    idle()
    timings = interleave(
        {
            "floor": floor,
            "idle": idle,
            "softmax": lambda: [logits.softmax(-1) for _ in range(-(-size.tokens // 8))],
            **calls,
        },
        plan.cheap_rounds,
    )
    bare, products = timings["floor"], timings["idle"]
    cells = size.tokens * size.vocabulary
    report.add("the products, all rows at once", f"{bare.median:.3g}", "1", "")
    report.add("the products in chunks", f"{products.median:.3g}", ratio(products, bare), "")
    for d in GRID:
        own = timings[d.name]
        rest = (own.median - products.median) / cells * 1e9
        report.add(d.name, f"{own.median:.3g}", ratio(own, bare), f"{rest:.1f}")
    twice = 2 * timings["softmax"].median
    share = f"{twice / bare.median:.2f}"
    report.add("two softmaxes", f"{twice:.3g}", share, f"{twice / cells * 1e9:.1f}")
    return report


def others(plan: Plan) -> Report:
    report = Report(
        "Divergences that no peer has, and functions that Limbeck does not know",
        CLOCK
        + OWN_ALLOCATOR
        + "Full logits: the same divergence on all logits at once. By autograd: a user's "
        "function in plain operations, which Limbeck differentiates block by block. Floor: the "
        f"four products alone. N x V, Hs/Ht: {plan.sizes[0]}.",
        ("D", "Limbeck, s", "Limbeck / floor", "full logits / Limbeck", "by autograd / Limbeck"),
    )
    problem = Problem.draw(plan.sizes[0])
    floor = Floor(problem)
    floor()
    for d in (FKL, RKL, JSD, SKL, SRKL, TVD, ADAPTIVE, ALPHA_BETA):
        check_one(problem, d)
        names = ("limbeck", "by autograd", "full logits")
        timings, _ = compare(problem, d, names, plan.rounds, extra={"floor": floor})
        own = timings["limbeck"]
        to_floor = ratio(own, timings["floor"])
        generic = ratio(timings["by autograd"], own)
        whole = ratio(timings["full logits"], own)
        report.add(d.name, f"{own.median:.3g}", to_floor, whole, generic)
        if d in (ADAPTIVE, ALPHA_BETA):
            report.goals.append(Goal(f"{d.name}: Limbeck / floor", to_floor.median, 1.4))
        report.goals.append(Goal(f"{d.name}: by autograd / Limbeck", generic.median, 2.0))
    return report


def peers(plan: Plan) -> Report:
    report = Report(
        "The loss beside TRL and Liger",
        CLOCK + OWN_ALLOCATOR + "Columns of the peers: their seconds over Limbeck's. Liger's "
        "compilation does not count.",
        ("N x V, Hs/Ht", "D", "Limbeck, s", "tokens/s", *plan.peers, "largest disagreement"),
    )
    ratios: dict[tuple[str, str], list[float]] = {}
    for size in plan.sizes:
        problem = Problem.draw(size)
        large = size != plan.sizes[0]
        for d in (FKL, RKL, JSD):
            # Where a round is long, Liger without its compiler is left out.
            names = [n for n in plan.peers if not (large and n == "liger")]
            warm_up(names, problem, d)
            programs = ("limbeck", *names)
            rounds = plan.peer_rounds if large else plan.rounds
            timings, error = compare(problem, d, programs, rounds, plan.fewer(size))
            own = timings["limbeck"]
            found = {n: ratio(timings[n], own) for n in names}
            for n, r in found.items():
                ratios.setdefault((n, d.name), []).append(r.median)
            report.add(
                size,
                d.name,
                f"{own.median:.3g}",
                f"{size.tokens / own.median:,.0f}",
                *(found.get(n, "") for n in plan.peers),
                f"{error:.1g}",
            )
    bounds = {
        ("liger compiled", "FKL RKL JSD"): 1.2,
        ("trl chunked", "FKL RKL JSD"): 2.8,
        ("trl gkd", "FKL RKL"): 1.6,
        ("trl gkd", "JSD"): 2.6,
    }
    for (name, which), bound in bounds.items():
        values = [v for d in which.split() for v in ratios.get((name, d), [])]
        if values:
            what = f"{name} / Limbeck, {which}, geometric mean"
            report.goals.append(Goal(what, geometric_mean(values), bound, at_least=True))
    slowest = min((v for values in ratios.values() for v in values), default=math.inf)
    report.goals.append(Goal("any peer / Limbeck, worst case", slowest, 1.0, at_least=True))
    return report


def masked(plan: Plan) -> Report:
    report = Report(
        "Half of the tokens masked",
        CLOCK + OWN_ALLOCATOR + f"JSD, N x V, Hs/Ht: {plan.masked}; every second token on "
        "average is ignored, as prompts are.",
        ("", "seconds", "over Limbeck's"),
    )
    whole, half = Problem.draw(plan.masked), Problem.draw(plan.masked, masked=0.5)
    names = ("limbeck", *(n for n in plan.peers if n != "liger"))
    warm_up(names, half, JSD)
    unmasked = functools.partial(METHODS["limbeck"], whole, JSD)
    fewer = plan.fewer(plan.masked)
    extra = {"not masked": unmasked}
    timings, _ = compare(half, JSD, names, plan.at(plan.masked), fewer, extra)
    for name, timing in timings.items():
        report.add(name, f"{timing.median:.3g}", ratio(timing, timings["limbeck"]))
    own = ratio(timings["limbeck"], timings["not masked"]).median
    report.goals.append(Goal("Limbeck, masked / not masked", own, 0.55))
    for name, bound in {"liger compiled": 2.4, "trl chunked": 6.0, "trl gkd": 6.0}.items():
        if name in timings:
            value = ratio(timings[name], timings["limbeck"]).median
            report.goals.append(Goal(f"{name} / Limbeck", value, bound, at_least=True))
    return report


def bf16(plan: Plan) -> Report:
    report = Report(
        "Weights and hidden states in bfloat16",
        CLOCK
        + OWN_ALLOCATOR
        + f"N x V, Hs/Ht: {plan.sizes[0]}. Errors of the two gradients: largest difference "
        "over largest entry, against float32 arithmetic on the same bfloat16 numbers. The floor "
        "multiplies bfloat16 into bfloat16; processors without such instructions emulate it. "
        "`limbeck` has float32 logits, `limbeck native` bfloat16 logits as the peers do.",
        ("D", "program", "seconds", "over `limbeck`", "error dH", "error dW"),
    )
    for d in (FKL, JSD):
        problem = Problem.draw(plan.sizes[0], torch.bfloat16)
        exact = METHODS["full logits"](problem.to(torch.float32), d)
        names = ("limbeck", "limbeck native", *plan.peers)
        warm_up(names, problem, d)
        floor = Floor(problem)
        floor()
        errors: dict[str, tuple[float, float]] = {}

        def first(name, result, exact=exact, errors=errors):  # type: ignore[no-untyped-def]
            if result is not None:
                errors[name] = result.errors(exact)

        calls = {n: functools.partial(METHODS[n], problem, d) for n in names}
        timings = interleave(
            {"floor": floor, **calls}, plan.peer_rounds, first=first, before=allocator_of_each()
        )
        for name, timing in timings.items():
            cells = (f"{e:.1e}" for e in errors.get(name, ()))
            shown = (ratio(timing, timings["limbeck"]), *cells, *[""] * (name == "floor") * 2)
            report.add(d.name, name, f"{timing.median:.3g}", *shown)
        native = timings["limbeck native"]
        for name, bound in {"liger compiled": 1.35, "trl gkd": 5.0 if d is JSD else 2.0}.items():
            if name in timings:
                value = ratio(timings[name], native).median
                goal = Goal(f"{d.name}: {name} / native", value, bound, at_least=True)
                report.goals.append(goal)
        if "liger compiled" in timings:
            value = ratio(timings["limbeck"], timings["liger compiled"]).median
            report.goals.append(Goal(f"{d.name}: limbeck / liger compiled", value, 1.3))
        report.goals.append(Goal(f"{d.name}: error of dH", errors["limbeck"][0], 6e-3))
    return report


def wall(plan: Plan) -> Report:
    torch.set_num_threads(os.cpu_count() or 1)
    report = Report(
        "The loss on all cores",
        "Seconds of the wall's clock with all threads, medians over interleaved rounds in one "
        "process; the other columns are paired ratios to Limbeck's [smallest, largest]. "
        + OWN_ALLOCATOR
        + f"N x V, Hs/Ht: {plan.sizes[0]}.",
        ("D", "Limbeck, s", "tokens/s", "floor", *plan.peers),
    )
    problem = Problem.draw(plan.sizes[0])
    floor = Floor(problem)
    floor()
    for d in (FKL, RKL, JSD):
        warm_up(plan.peers, problem, d)
        names = ("limbeck", *plan.peers)
        timings, _ = compare(problem, d, names, plan.rounds, extra={"floor": floor})
        own = timings["limbeck"]
        speed = f"{plan.sizes[0].tokens / own.median:,.0f}"
        cells = (ratio(timings[n], own) for n in ("floor", *plan.peers))
        report.add(d.name, f"{own.median:.3g}", speed, *cells)
    return report


SECTIONS = {s.__name__: s for s in (grid, parts, others, peers, masked, memory, bf16, wall)}


def main(words: Sequence[str] | None = None) -> None:
    run_sections("loss", __doc__, SECTIONS, FULL, QUICK, words)


if __name__ == "__main__":
    main()
