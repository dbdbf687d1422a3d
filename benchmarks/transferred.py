"""Does text that was rewritten for one student teach another? `limbeck transfer` with several seeds.

    python -m benchmarks.tutor --port 8765 --problems studies/data/cups &
    python -m benchmarks.transferred --seeds 1 2 3 4 5 --table benchmarks/results/replication/undo-transfer.md

Two students, each with an UNDO run of its own (that of studies/undo.yaml, seed 1, and one of another
size); then both are trained on the first and on the rewritten solutions of each, on the same
problems, once a seed. Finished runs are read back, so the program resumes.
"""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.tables import Report
from limbeck.analysis import one_sample_t
from limbeck.reports import words
from limbeck.studies.plan import Planned, plan
from limbeck.studies.spec import load_study

STUDY = Path("studies/undo.yaml")
OTHER = {"hidden_size": 96, "intermediate_size": 258}
COLUMNS = (
    "student",
    "text written for",
    "one-shot",
    "rewritten",
    "difference",
    "95 % interval",
    "p",
)


def main() -> None:
    """Run what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--output", type=Path, default=Path("studies/runs/undo-transfer"))
    parser.add_argument("--table", type=Path, help="where the Markdown goes")
    args = parser.parse_args()
    from limbeck.run import distill  # takes seconds
    from limbeck.run.transfer import transfer

    own = _undo()
    config = {**(own.recipe.student.config or {}), **OTHER}
    student = own.recipe.student.model_copy(update={"config": config})
    changed = {"student": student, "output": str(args.output / "other")}
    runs = [distill(own.recipe).path, distill(own.recipe.model_copy(update=changed)).path]
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for seed in args.seeds:
        found = transfer(runs, args.output / str(seed), [f"seed={seed}"])
        sizes = {one["name"]: words.parameters(one["parameters"]) for one in found["students"]}
        for cell in found["cells"]:
            names = sizes[cell["trained"]], sizes[cell["data_of"]]
            cells.setdefault(names, []).append(cell)
    report = Report(
        "UNDO: rewritten text for another student",
        f"Two students, by their parameters, seeds {', '.join(map(str, args.seeds))}. Read a row: accuracy on "
        "the held-out problems after training on the first solutions, and on those that were "
        "rewritten for this donor; the mean difference over seeds, one-sided t.",
        COLUMNS,
    )
    for (student_name, donor), found in cells.items():
        report.add(*_row(student_name, donor, found))
    report.finish("python -m benchmarks.transferred", args.table)


def _undo() -> Planned:
    """The run of the study that is the first donor."""
    runs = plan(load_study(STUDY))
    return next(run for run in runs if run.labels["method"] == "undo" and run.seed == 1)


def _row(student: str, donor: str, found: list[dict[str, Any]]) -> tuple[str, ...]:
    first, refined = (
        [cell[text]["accuracy"]["value"] for cell in found] for text in ("first", "refined")
    )
    gain = one_sample_t([b - a for a, b in zip(first, refined, strict=True)], alternative="greater")
    return (
        student,
        donor,
        f"{sum(first) / len(first):.3f}",
        f"{sum(refined) / len(refined):.3f}",
        f"{gain.effect:+.3f}",
        f"[{gain.low:+.3f}, {gain.high:+.3f}]",
        f"{gain.p:.2g}",
    )


if __name__ == "__main__":
    main()
