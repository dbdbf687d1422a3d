"""Peak memory of the loss.

    python -m benchmarks.peak METHOD DIVERGENCE TOKENS VOCABULARY STUDENT TEACHER

makes one call and prints the rise of the kernel's peak of resident memory, which includes the
gradients it returns and what libraries need for themselves, beside the bytes of the head's gradient.
"""

import json
import os
import sys

from benchmarks.measuring import can_measure_memory, in_fresh_process, memory_rise
from benchmarks.peers import METHODS, warm_up
from benchmarks.plan import Plan
from benchmarks.problem import Problem, Size
from benchmarks.tables import Goal, Report
from benchmarks.textbook import BY_NAME, FKL, JSD


def memory(plan: Plan) -> Report:
    report = Report(
        "Peak memory of the loss",
        "Rise of the kernel's peak of resident memory during one call in a process of its own, "
        "returned gradients included. dW: the gradient of the student's head, which everybody "
        "returns.",
        ("N x V, Hs/Ht", "D", "program", "peak, MB", "without dW, MB"),
    )
    if not can_measure_memory():
        report.reading += " Not measured: this kernel does not tell."
        return report
    jsd, fkl = plan.jsd_memory, plan.fkl_memory
    double = Size(2 * fkl.tokens, fkl.vocabulary, fkl.student, fkl.teacher)
    runs = [(jsd, JSD, n) for n in ("limbeck", *plan.peers)]
    # TRL's GKD would take ten times the logits, Liger without its compiler nearly as much.
    runs += [(fkl, FKL, n) for n in ("limbeck", *plan.peers) if n not in ("trl gkd", "liger")]
    runs += [(double, FKL, "limbeck")]
    peak: dict[tuple[Size, str], float] = {}
    rest: dict[tuple[Size, str], float] = {}
    for size, d, name in runs:
        shape = (size.tokens, size.vocabulary, size.student, size.teacher)
        words = (name, d.name, *map(str, shape))
        found = in_fresh_process("benchmarks.peak", words, os.cpu_count() or 1)
        peak[size, name] = found["rise"] / 1e6
        rest[size, name] = (found["rise"] - found["d_head"]) / 1e6
        report.add(size, d.name, name, f"{peak[size, name]:,.0f}", f"{rest[size, name]:,.0f}")
    for size, name, bound in (
        (jsd, "trl gkd", 20.0),
        (jsd, "liger compiled", 4.0),
        (fkl, "liger compiled", 3.0),
        (fkl, "trl chunked", 3.5),
    ):
        if (size, name) in peak:
            value = peak[size, name] / peak[size, "limbeck"]
            report.goals.append(Goal(f"{name} / Limbeck, {size}", value, bound, at_least=True))
    growth = peak[double, "limbeck"] / peak[fkl, "limbeck"]
    report.goals += [
        Goal(f"Limbeck without dW, {fkl}, MB", rest[fkl, "limbeck"], 350),
        Goal("Limbeck, twice the tokens / once", growth, 1.1),
    ]
    return report


def main() -> None:
    method, divergence, *size = sys.argv[1:]
    problem, d = Problem.draw(Size(*map(int, size))), BY_NAME[divergence]
    warm_up([method], problem, d)
    rise = memory_rise(lambda: METHODS[method](problem, d))
    head = problem.student_head
    print(json.dumps({"rise": rise, "d_head": head.numel() * head.itemsize}))


if __name__ == "__main__":
    main()
