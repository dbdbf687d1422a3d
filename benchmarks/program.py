"""The command line that the programs of this folder share."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import Report


def run_sections(
    name: str,
    description: str | None,
    sections: Mapping[str, Callable[[Any], Report]],
    full: Any,
    quick: Any,
    words: Sequence[str] | None = None,
) -> None:
    """Parse the command line, and run and report the sections it names.

    Args:
        name: Of the program.
        description: Its help.
        sections: ``plan -> report``, by name.
        full: The plan, a dataclass; ``--rounds`` replaces all its fields that end in "rounds".
        quick: The plan of ``--quick``.
        words: The command line, without the program.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute at most")
    parser.add_argument("--rounds", type=int, help="interleaved rounds, for all calls alike")
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections))
    parser.add_argument("--tables", type=Path, help="folder for the Markdown, a file a section")
    args = parser.parse_args(words)
    plan, shown = (quick, " --quick") if args.quick else (full, "")
    if args.rounds:
        fields = [f.name for f in dataclasses.fields(plan) if f.name.endswith("rounds")]
        plan = dataclasses.replace(plan, **dict.fromkeys(fields, args.rounds))
        shown += f" --rounds {args.rounds}"
    for section in args.only:
        print(f"{name}: {section}", flush=True)
        torch.set_num_threads(1)
        report = sections[section](plan)
        if args.quick:
            report.goals.clear()
            report.reading += " Small sizes: they show that the program works, not how fast."
        file = args.tables and args.tables / f"{name}-{section}.md"
        report.finish(f"python -m benchmarks.{name} --only {section}{shown}", file)
