"""The replication pack: every study of studies/, run to its end, and what became of its claims.

    python -m benchmarks.replication studies/paradox.yaml studies/scd.yaml
    python -m benchmarks.replication studies/*.yaml --processes 4 --output benchmarks/results/replication

Finished runs are not repeated, so a study that is complete is only read. For each there is a table
of its claims (NAME.md), its table of runs (NAME.csv), what the report is drawn from (NAME.json) and
the report itself (NAME.html). studies/undo.yaml needs its tutor: see the head of that file. The
outcomes of all studies in the folder go into docs/replication.md.
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.tables import Report

RESULTS = Path(__file__).parent / "results" / "replication"
PAGE = Path(__file__).parents[1] / "docs" / "replication.md"
COLUMNS = ("claim", "outcome", "effect", "95 % interval", "corrected p", "units", "would decide it")


def main() -> None:
    """Run what is missing, and write the outcome of each study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", type=Path, nargs="+", help="study files")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    from limbeck.studies.spec import load_study  # takes seconds
    from limbeck.studies.study import run_study

    for file in args.studies:
        study = load_study(file, [f"executor.processes={args.processes}"])
        done = run_study(study, name=file.stem, command=f"limbeck study {file}")
        args.output.mkdir(parents=True, exist_ok=True)
        place = args.output / file.stem
        outcome(file, done.study, done.table).finish(
            f"python -m benchmarks.replication {file}", place.with_suffix(".md")
        )
        pyarrow.csv.write_csv(_lasting(done.table), place.with_suffix(".csv"))
        kept = json.dumps(done.study, ensure_ascii=False, indent=1)
        place.with_suffix(".json").write_text(kept + "\n", encoding="utf-8")
        shutil.copyfile(done.report, place.with_suffix(".html"))
    if args.output.resolve() == RESULTS.resolve():
        PAGE.write_text(with_claims(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def with_claims(page: str, folder: Path) -> str:
    """The page with the outcomes that a folder holds, below the mark of each study.

    A mark is a line ``<!-- claims of NAME -->``; a table that follows it is written anew.
    """
    for file in sorted(folder.glob("*.json")):
        mark = f"<!-- claims of {file.stem} -->"
        before, found, after = page.partition(mark + "\n")
        if not found:
            raise SystemExit(f"{PAGE} has no line {mark}")
        study = json.loads(file.read_text(encoding="utf-8"))
        lines = ["| claim | outcome | effect | 95 % interval | p |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_row(one)[:5])} |" for one in study["hypotheses"]]
        rest = after.lstrip("\n")
        if rest.startswith("|"):
            rest = rest.partition("\n\n")[2]
        page = "\n".join([before + mark, "", *lines, "", rest])
    return page


def outcome(file: Path, study: Mapping[str, Any], table: pa.Table) -> Report:
    """A row for each claim, below it the scores of the cells."""
    rows = table.to_pylist()
    hours = sum(row["wall_seconds"] for row in rows if row["task"] == "held-out") / 3600
    head = " ".join(
        line.removeprefix("# ").strip()
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and not line.startswith("#  ")
    )
    failed = f", {len(study['failed'])} failed" if study["failed"] else ""
    report = Report(
        f"What became of the claims of {file.stem}",
        f"{head} {len({row['run'] for row in rows})} runs{failed}, seeds "
        f"{', '.join(map(str, study['seeds']))}, {hours:.1f} hours of one process. Scores are shares of "
        f"right answers on held-out rows.\n\n{_scores(rows)}",
        COLUMNS,
    )
    for found in study["hypotheses"]:
        report.add(*_row(found))
    return report


def _row(found: Mapping[str, Any]) -> tuple[str, ...]:
    if found["effect"] is None:
        return (found["claim"], found["state"], "", "", "", str(found["note"]), "")
    needed = f"{found['needed_n']} {found['unit']}" if found["needed_n"] else ""
    return (
        found["claim"],
        f"**{found['state']}**",
        f"{found['effect']:+.3f}",
        f"[{found['low']:+.3f}, {found['high']:+.3f}]",
        f"{found['p_corrected']:.2g}",
        f"{found['n']} {found['unit']}",
        needed,
    )


def _scores(rows: list[dict[str, Any]]) -> str:
    """Means of the seeds, a line for each cell."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        cells.setdefault(row["cell"], []).append(row)
    lines = ["| cell | score | SFT | teacher |", "|---|---|---|---|"]
    for cell, ones in cells.items():
        shown = (_mean(ones, name) for name in ("score", "sft_score", "teacher_score"))
        lines.append(f"| {cell} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _mean(rows: list[dict[str, Any]], column: str) -> str:
    known = [row[column] for row in rows if row[column] is not None]
    return f"{np.mean(known):.3f}" if known else ""


def _lasting(table: pa.Table) -> pa.Table:
    """The columns that mean something elsewhere, sorted as they are."""
    return table.drop_columns(["items"])


if __name__ == "__main__":
    main()
