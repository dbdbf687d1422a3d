"""One recipe over several seeds, as a Markdown table.

    python -m benchmarks.seeds RECIPE --seeds 0 1 2 --output runs/seeds --table FILE.md [KEY=VALUE ...]

``RECIPE`` may be ``quickstart`` for the recipe of ``limbeck demo``. Every seed is an ordinary run in
its own folder, so the program resumes like any run.
"""

import argparse
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

QUICKSTART = Path(__file__).parents[1] / "src/limbeck/cli/quickstart.yaml"


def main() -> None:
    args = _arguments()
    from limbeck.recipe import load_recipe
    from limbeck.run import distill

    runs = []
    for seed in args.seeds:
        words = [*args.overrides, f"seed={seed}", f"output={args.output / str(seed)}"]
        recipe = QUICKSTART if args.recipe == "quickstart" else args.recipe
        runs.append(distill(load_recipe(recipe, words)).results)
        print(runs[-1]["verdict"], flush=True)
    table = report(runs, args)
    print(table)
    if args.table:
        args.table.write_text(table, encoding="utf-8")


def report(runs: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """The table: a row for each model, a column for each seed."""
    metric = (
        "accuracy" if "accuracy" in runs[0]["evaluation"]["metrics"]["student"] else "bits_per_byte"
    )
    words = " ".join(
        [
            "python -m benchmarks.seeds",
            str(args.recipe),
            "--seeds",
            *map(str, args.seeds),
            *args.shown,
        ]
    )
    seeds = [f"seed {r['seed']}" for r in runs]
    env = runs[0]["environment"]
    lines = [
        f"# {args.title}",
        "",
        f"`{words}`",
        "",
        f"Python {env['python']}, torch {env['torch']}, transformers {env['transformers']}, "
        f"Limbeck {env['limbeck']}; {os.cpu_count()} CPU cores, {platform.machine()}.",
        f"{runs[0]['evaluation']['items']} held-out items; every arm takes "
        f"{runs[0]['training']['student']['steps']} optimiser steps.",
        "",
        f"| {metric.replace('_', ' ')} [95 % interval] | " + " | ".join(seeds) + " |",
        "|---|" + "---|" * len(runs),
    ]
    for arm, model in runs[0]["models"].items():
        cells = [_cell(r["evaluation"]["metrics"][arm][metric]) for r in runs]
        lines.append(
            f"| {model['label']} ({model['parameters']:,} parameters) | " + " | ".join(cells) + " |"
        )
    lines += [
        "",
        "| paired on the same items | " + " | ".join(seeds) + " |",
        "|---|" + "---|" * len(runs),
    ]
    for pair in [(c["a"], c["b"]) for c in runs[0]["comparisons"] if c["metric"] == metric]:
        found = [
            next(c for c in r["comparisons"] if (c["a"], c["b"], c["metric"]) == (*pair, metric))
            for r in runs
        ]
        cells = [
            f"{c['difference']:+.3f} [{c['low']:+.3f}, {c['high']:+.3f}], p = {c['p']:.2g}"
            for c in found
        ]
        labels = [runs[0]["models"][arm]["label"] for arm in pair]
        lines.append(
            f"| {labels[0]} minus {labels[1]} ({found[0]['test']}) | " + " | ".join(cells) + " |"
        )
    if compared := runs[0]["audit"].get("tokens"):
        lines += [
            "",
            "| same top token as the teacher | " + " | ".join(seeds) + " |",
            "|---|" + "---|" * len(runs),
        ]
        for arm, texts in compared.items():
            text = next(iter(texts))  # the rows' own, or else the teacher's
            cells = [_cell(r["audit"]["tokens"][arm][text]["top1"]) for r in runs]
            lines.append(f"| {runs[0]['models'][arm]['label']} | " + " | ".join(cells) + " |")
    walls = [f"{sum(r['costs']['wall_seconds'].values()):.0f} s" for r in runs]
    lines += [
        "",
        "| wall time of the whole run | " + " | ".join(walls) + " |",
        "|---|" + "---|" * len(runs),
        "",
    ]
    return "\n".join(lines)


def _cell(estimate: dict[str, Any]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="a recipe file, or quickstart")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--table", type=Path, help="where the Markdown goes")
    parser.add_argument("--title", default="Several seeds")
    args = parser.parse_intermixed_args(sys.argv[1:])
    # Folders of this machine do not belong into a table that others read.
    args.shown = [
        f"'{re.sub(r'[^ =:]*/', '', o)}'" if " " in o else re.sub(r"[^ =:]*/", "", o)
        for o in args.overrides
    ]
    return args


if __name__ == "__main__":
    main()
