"""Every method on one pair: the same start, the same text, the same number of student updates.

    python -m benchmarks.arena --seeds 0 1 2 --output runs/arena --table benchmarks/results/arena.md

For each seed the teacher is fine-tuned once (five checkpoints of its path are kept) and the student
once; every method then starts from both, with its own defaults. A run is an ordinary run in a folder
of its own: the program resumes, ``--methods`` runs some of them, and the table holds what is there.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from benchmarks.tables import Report
from limbeck.methods import METHODS
from limbeck.recipe import build_method, parse_recipe

MODEL = {
    "model_type": "llama",
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
TEACHER = MODEL | {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 3}
STUDENT = MODEL | {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 2}
PROBLEMS: dict[str, Any] = {
    "source": "chain_arithmetic",
    "options": {"terms": [4, 4]},
    "chat": True,
}
BATCH = {"per_device_train_batch_size": 16, "weight_decay": 0.01}
# Beside the methods at their defaults.
VARIANTS: dict[str, dict[str, Any]] = {
    "scd, adaptive weights": {"name": "scd", "adaptive_weight": True},
    "kd, teacher's text": {"name": "kd", "source": "teacher"},
    "opd, sampled": {"name": "opd", "estimator": "sampled"},
}
# `undo` trains anew in each round, with solutions that answer a learner: see `benchmarks.undo`.
ELSEWHERE = ("custom", "undo")
CONTESTANTS = {name: {"name": name} for name in METHODS if name not in ELSEWHERE} | VARIANTS


def preparation(seed: int, folder: Path) -> dict[str, Any]:
    """The recipe that makes teacher and student; distilling is left to the others."""
    teacher_data = PROBLEMS | {"rows": 17000, "validation_rows": 100, "test_rows": 0, "seed": 1}
    return {
        "teacher": {
            "config": TEACHER,
            "tokenizer": "characters",
            "sft": {
                "data": teacher_data,
                "training": {"max_steps": 1000, "learning_rate": 7.0e-4, **BATCH},
            },
            "keep_checkpoints": 5,
        },
        "student": {
            "config": STUDENT,
            "tokenizer": "characters",
            "sft": {"training": {"max_steps": 700, "learning_rate": 1.0e-3, **BATCH}},
        },
        "data": PROBLEMS | {"rows": 2300, "test_rows": 300},
        "method": "kd",
        "seed": seed,
        "output": str(folder),
    }


def contest(
    method: dict[str, Any], seed: int, folder: Path, made: Path, steps: int
) -> dict[str, Any]:
    """The recipe of one method."""
    built = build_method(method)
    teacher: dict[str, Any] = {"model": str(made / "teacher")}
    if built.needs_path:
        teacher = {"checkpoints": str(made / "teacher-path")}
    recipe = {
        "teacher": teacher,
        "student": str(made / "start"),
        "data": PROBLEMS | {"rows": 2300, "test_rows": 300},
        "method": method,
        "seed": seed,
        "output": str(folder),
        "baseline": "sft" if built.needs_start else "none",
        "training": {"max_steps": steps, "learning_rate": 5.0e-4, **BATCH},
        "evaluate": {"batch_size": 250, "max_new_tokens": 48},
    }
    if built.teacher_writes or built.student_writes:
        recipe["generation"] = {"max_new_tokens": 48, "batch_size": 256}
    return recipe


def main() -> None:
    args = _arguments()
    from limbeck.run import distill  # takes seconds, and --help needs none of it
    from limbeck.run.preparation import prepare

    found: dict[str, list[dict[str, Any]]] = {}
    for seed in args.seeds:
        made = args.output / str(seed) / "made"
        prepare(parse_recipe(preparation(seed, made)))
        for name, method in CONTESTANTS.items():
            folder = (
                args.output / str(seed) / name.replace(", ", "-").replace(" ", "-").replace("'", "")
            )
            chosen = not args.methods or name in args.methods
            if not chosen and not (folder / "results.json").exists():
                continue
            recipe = parse_recipe(contest(method, seed, folder, made, args.steps))
            found.setdefault(name, []).append(distill(recipe).results)
            right = found[name][-1]["evaluation"]["metrics"]["student"]["accuracy"]["value"]
            print(f"seed {seed}  {name:<24} {right:.3f}", flush=True)
    table(found, args).finish(args.command, args.table)


def table(found: dict[str, list[dict[str, Any]]], args: argparse.Namespace) -> Report:
    """The leaderboard, best mean accuracy first."""
    most = max(map(len, found.values()))
    found = {name: runs for name, runs in found.items() if len(runs) == most}  # the same seeds
    first = next(iter(found.values()))
    teacher, before = (
        [r["evaluation"]["metrics"][who]["accuracy"]["value"] for r in first]
        for who in ("teacher", "before")
    )
    sft = [_accuracy(r) for r in found["sft"]] if "sft" in found else before
    report = Report(
        f"Every method on one pair, {len(first)} seed(s)",
        f"Sums of four terms, with working; 2,300 problems with gold solutions, 300 held out. The "
        f"teacher (2.4 million parameters) has {_many(teacher)} right, the student (0.4 million) "
        f"{_many(before)} after its fine-tuning of 700 steps, from which every method goes on for "
        f"{args.steps} updates at batch 16, learning rate 5e-4, with its own defaults. Read a row: "
        "mean accuracy over seeds (each seed), gap recovered = (student - sft) / (teacher - sft) of "
        "the means, share of held-out positions where student and teacher find the same token "
        "likeliest, wall time of the training with its generation, tokens that were generated.",
        ("method", "accuracy", "each seed", "gap recovered", "agreement", "seconds", "generated"),
    )
    gap = statistics.mean(teacher) - statistics.mean(sft)
    for name, runs in sorted(found.items(), key=lambda x: -statistics.mean(map(_accuracy, x[1]))):
        right = [_accuracy(r) for r in runs]
        report.add(
            name,
            f"{statistics.mean(right):.3f}",
            _many(right),
            f"{(statistics.mean(right) - statistics.mean(sft)) / gap:+.2f}",
            f"{statistics.mean(_agreement(r) for r in runs):.3f}",
            f"{statistics.mean(_seconds(r) for r in runs):.0f}",
            f"{statistics.mean(r['costs']['tokens_generated'] for r in runs):,.0f}",
        )
    return report


def _accuracy(run: dict[str, Any]) -> float:
    return float(run["evaluation"]["metrics"]["student"]["accuracy"]["value"])


def _agreement(run: dict[str, Any]) -> float:
    # On the rows' own text, or else on the teacher's.
    return float(next(iter(run["audit"]["tokens"]["student"].values()))["top1"]["value"])


def _seconds(run: dict[str, Any]) -> float:
    wall = run["costs"]["wall_seconds"]
    return float(sum(wall.get(stage, 0.0) for stage in ("text", "train student")))


def _many(values: list[float]) -> str:
    return ", ".join(f"{v:.3f}" for v in values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200, help="student updates of each method")
    parser.add_argument("--methods", nargs="+", help="only these; others count where they are done")
    parser.add_argument("--output", type=Path, default=Path("runs/arena"))
    parser.add_argument("--table", type=Path, help="where the Markdown goes")
    args = parser.parse_args()
    seeds = " ".join(map(str, args.seeds))
    args.command = f"python -m benchmarks.arena --seeds {seeds} --steps {args.steps}"
    return args


if __name__ == "__main__":
    main()
