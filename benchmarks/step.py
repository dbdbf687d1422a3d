"""Whole optimiser steps: Limbeck's trainer beside TRL's.

    python -m benchmarks.step [--quick] [--rounds N] [--only SECTION ...] [--tables FOLDER]

Sections: `offpolicy` (the data's completions: TRL's ``GKDTrainer`` with ``lmbda=0``), `onpolicy`
(the student's own: ``DistillationTrainer``, and ``GKDTrainer`` with ``lmbda=1``), `halfteacher`
(Limbeck with its teacher in bfloat16) and `cached` (stored targets beside plain SFT). All train
the same random models on the same text with the same optimiser; times of programs count only if
they start from the same loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.measuring import (
    Timing,
    allocator_as_limbeck_has_it,
    allocator_as_usual,
    ratio,
)
from benchmarks.plan import CLOCK, OWN_ALLOCATOR
from benchmarks.program import run_sections
from benchmarks.tables import Goal, Report
from benchmarks.tiny import World
from benchmarks.trainers import (
    Case,
    Maker,
    kd_from_memory,
    limbeck,
    limbeck_half,
    sft,
    train,
    trl_distillation,
    trl_gkd,
)

NAMES = {0.0: "FKL", 0.5: "JSD", 1.0: "RKL"}


@dataclass(frozen=True)
class Plan:
    """How large and how often; a training is ``steps`` steps after one that does not count."""

    worlds: Sequence[World]
    betas: Sequence[float]
    steps: int
    rounds: int


FULL = Plan((World(32_000), World(2_000)), (0.5, 1.0), steps=2, rounds=3)
TINY = World(200, batch=2, prompt=6, completion=6, student=(1, 16), teacher=(1, 16))
QUICK = Plan((TINY,), (0.5,), steps=1, rounds=1)


def offpolicy(plan: Plan) -> Report:
    report = _report(
        plan,
        "Optimiser steps on given text",
        "Losses and gradient norms of the first step agree within 1e-4.",
    )
    name = "TRL GKDTrainer"
    bounds = {(name, "JSD", 32_000): 6.0, (name, "RKL", 32_000): 3.2, (name, "JSD", 2_000): 2.0}
    return _compare(report, plan, False, {"Limbeck": limbeck, name: trl_gkd}, bounds)


def onpolicy(plan: Plan) -> Report:
    report = _report(
        plan,
        "Optimiser steps on the student's own text",
        "Programs draw different samples: their first losses agree as means over samples do.",
    )
    name = "TRL DistillationTrainer"
    makers = {"Limbeck": limbeck, name: trl_distillation, "TRL GKDTrainer": trl_gkd}
    bounds = {(name, "JSD", 32_000): 3.5, (name, "RKL", 32_000): 2.7, (name, "JSD", 2_000): 2.0}
    return _compare(report, plan, True, makers, bounds)


def halfteacher(plan: Plan) -> Report:
    report = _report(
        plan,
        "A teacher in bfloat16",
        "Given text. Faster only where the processor multiplies bfloat16 (avx512_bf16, amx).",
    )
    plan = replace(plan, betas=plan.betas[:1])
    makers = {"Limbeck": limbeck, "Limbeck, bf16 teacher": limbeck_half}
    return _compare(report, plan, False, makers, {})


def _report(plan: Plan, title: str, reading: str) -> Report:
    world = plan.worlds[0]
    return Report(
        title,
        CLOCK + "They are those of an optimiser step, with generation, both models and the "
        f"optimiser; a round is a fresh training of which {plan.steps} step(s) count. "
        + OWN_ALLOCATOR
        + "Last column: over the first's. Llama, layers x width "
        f"{world.student} and {world.teacher}, random weights, float32; "
        f"{world.batch} x ({world.prompt} + {world.completion}) tokens a step. " + reading,
        ("V", "D", "trainer", "s/step", "tokens/s", "first loss", "over the first"),
    )


def _compare(
    report: Report,
    plan: Plan,
    on_policy: bool,
    makers: Mapping[str, Maker],
    bounds: Mapping[tuple[str, str, int], float],
    same: bool = True,
) -> Report:
    """Train by each program in turn; ``same`` where all should minimise the same number."""
    base = next(iter(makers))
    for world in plan.worlds:
        for beta in plan.betas:
            case = Case(world, on_policy, beta, plan.steps + 1)
            timings = {name: Timing() for name in makers}
            starts: dict[str, dict[str, float]] = {}
            for _ in range(plan.rounds):
                for name, make in makers.items():
                    trl = name.startswith("TRL")
                    (allocator_as_usual if trl else allocator_as_limbeck_has_it)()
                    seconds, starts[name] = train(make, case)
                    timings[name].seconds.append(seconds)
            if same:
                _agree(starts, case)
            for name, timing in timings.items():
                over = ratio(timing, timings[base])
                speed = f"{world.tokens / timing.median:,.0f}"
                cells = (f"{timing.median:.3g}", speed, f"{starts[name]['loss']:.5f}", over)
                report.add(world.vocabulary, NAMES[beta], name, *cells)
                bound = bounds.get((name, NAMES[beta], world.vocabulary))
                if bound:
                    what = f"{name} / Limbeck, {NAMES[beta]}, V {world.vocabulary}"
                    report.goals.append(Goal(what, over.median, bound, at_least=True))
    return report


def _agree(starts: dict[str, dict[str, float]], case: Case) -> None:
    """All trainers must minimise the same number.

    A mean of sequences' means and a mean of tokens are the same here, because all completions are
    of one length (but for the few that end early where the student writes). On given text, loss
    and norm of the gradient are compared; where everybody draws samples, only the loss, as a mean
    over so many random tokens.

    Raises:
        AssertionError: They differ, so that times would say nothing.
    """
    names = ["loss"] if case.on_policy else ["loss", "grad_norm"]
    tolerance = 1.6 / case.world.tokens**0.5 if case.on_policy else 1e-4
    for trainer, start in starts.items():
        allowed = max(tolerance, 0.02) if "bf16" in trainer else tolerance
        for name in names:
            value, own = start[name], starts["Limbeck"][name]
            if not abs(value / own - 1) <= allowed:
                raise AssertionError(f"{trainer} starts with {name} {value}, Limbeck with {own}")


def cached(plan: Plan) -> Report:
    report = _report(
        plan,
        "Distilling from stored top tokens",
        "Given text. The teacher's 128 likeliest tokens lie in memory; no teacher runs.",
    )
    plan = replace(plan, betas=(0.0,))
    makers: dict[str, Maker] = {"SFT": sft, "KD, stored targets": kd_from_memory}
    _compare(report, plan, False, makers, {}, same=False)
    for vocabulary, _, name, *_, over in report.rows:
        if name != "SFT":
            report.goals.append(Goal(f"{name} / SFT, V {vocabulary}", over.median, 1.1))
    return report


SECTIONS = {s.__name__: s for s in (offpolicy, onpolicy, halfteacher, cached)}


def main(words: Sequence[str] | None = None) -> None:
    run_sections("step", __doc__, SECTIONS, FULL, QUICK, words)


if __name__ == "__main__":
    main()
