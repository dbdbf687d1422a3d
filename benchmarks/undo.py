"""Does feedback help, and is it the feedback? UNDO against one-shot rationales and its controls.

    python -m benchmarks.undo --seeds 0 1 2 --output runs/undo --table benchmarks/results/undo.md
    python -m benchmarks.undo --trained --seeds 0 --output runs/undo-trained --table FILE.md

The teacher is the programmatic tutor of `benchmarks.tutor`, asked over HTTP as any server is. Each
seed is an ordinary run in a folder of its own, so the program resumes. All arms start from the same
student, and every comparison is paired by test item, over the items of all seeds. ``--trained``
puts a language model of the student's size in the tutor's place, which learned from its transcripts.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import transcripts
from benchmarks.tables import Report
from benchmarks.tutor import PROMPTS, TutorServer, write_problems
from limbeck.analysis import mcnemar
from limbeck.recipe import parse_recipe

STUDENT = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 344,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
TEACHER_STEPS = 1500
TUTOR = (
    "The teacher is a programmatic tutor: its first solutions do two single swaps and then jump; it "
    "splits the step that the learner's record shows to fail."
)
ARMS = {
    "before": "before training",
    "one_shot": "one-shot",
    "student": "undo",
    "control_longer": "one-shot, as many steps as all rounds",
    "control_resample": "new solutions, no feedback",
    "control_shuffled": "feedback shuffled",
    "control_blind": "rewritten without the record",
}


def write_data(seed: int, folder: Path) -> Path:
    """Problems of one seed, each in one file only."""
    write_problems(folder, seed)
    lines = [json.dumps(row) + "\n" for row in transcripts.transcripts(random.Random(-1), 12_000)]
    (folder / "transcripts.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def recipe(
    seed: int, output: Path, data: Path, url: str | None, steps: int, rounds: int
) -> dict[str, Any]:
    """One run: the method and all its controls.

    Args:
        seed: Of weights and order.
        output: Folder of the run.
        data: Folder of the problems.
        url: The tutor's; None trains a small model to be the teacher.
        steps: Updates of each round.
        rounds: Refinements at most.
    """
    teacher: dict[str, Any] = {"server": url, "model": "tutor"}
    if url is None:
        taught = {"source": str(data / "transcripts.jsonl"), "test": 0.0, "validation": 0.02}
        teacher = {"config": STUDENT | {"max_position_embeddings": 256}, "tokenizer": "characters"}
        training = {"max_steps": TEACHER_STEPS, "learning_rate": 1.0e-3, "use_cpu": True}
        batch = {"per_device_train_batch_size": 16, "eval_strategy": "no"}
        teacher["sft"] = {"data": taught, "training": {**training, **batch}}
    return {
        "student": {"config": STUDENT, "tokenizer": "characters"},
        "teacher": teacher,
        "data": {
            "source": str(data / "train.jsonl"),
            "validation": str(data / "validation.jsonl"),
            "test": str(data / "test.jsonl"),
            "verifier": "after_marker",
        },
        "method": {"name": "undo", "rounds": rounds},
        "prompts": str(transcripts.PROMPTS if url is None else PROMPTS),
        "controls": True,
        "baseline": "none",
        "seed": seed,
        "output": str(output),
        "training": {
            "max_steps": steps,
            "per_device_train_batch_size": 32,
            "learning_rate": 1.0e-3,
            "weight_decay": 0.01,
            "use_cpu": True,
        },
        "generation": {"max_new_tokens": 48},
        "evaluate": {"batch_size": 128},
    }


def main() -> None:
    """Run what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trained", action="store_true", help="a small model as the teacher")
    parser.add_argument("--steps", type=int, default=300, help="updates of each round")
    parser.add_argument("--rounds", type=int, default=3, help="refinements at most")
    parser.add_argument("--output", type=Path, default=Path("runs/undo"))
    parser.add_argument("--table", type=Path, help="where the Markdown goes")
    args = parser.parse_args()
    from limbeck.run import distill  # takes seconds

    runs = []
    with TutorServer() as server:
        for seed in args.seeds:
            folder = args.output / str(seed)
            data = write_data(seed, args.output / f"data-{seed}")
            url = None if args.trained else server.url
            asked = recipe(seed, folder, data, url, args.steps, args.rounds)
            runs.append(distill(parse_recipe(asked)))
            print(f"seed {seed}: {runs[-1].results['verdict']}", flush=True)
    seeds = " ".join(map(str, args.seeds))
    words = f"{'--trained ' if args.trained else ''}--seeds {seeds} --steps {args.steps} --rounds {args.rounds}"
    table(runs, args).finish(f"python -m benchmarks.undo {words}", args.table)


def table(runs: list[Any], args: argparse.Namespace) -> Report:
    """A row for each arm: accuracy in each seed, and the student against it."""
    report = Report(
        f"UNDO and its controls, {len(runs)} seed(s)",
        f"{_teacher(runs) if args.trained else TUTOR} 2,000 problems, a ball under five cups and eight "
        "swaps each, and 300 held out for each seed (other problems in each); a student of 0.4 "
        f"million parameters from new weights, {args.steps} updates a round at batch 32, learning rate "
        "1e-3. Read a row: accuracy over all held-out items (each seed); how many rounds were "
        "trained, the first included; updates of all of them; UNDO minus this arm in points, paired "
        "by item, with 95 % interval and exact McNemar p.",
        ("arm", "accuracy", "each seed", "rounds", "updates", "undo minus this"),
    )
    student = np.concatenate([_right(run, "student") for run in runs])
    for arm, name in ARMS.items():
        each = [_right(run, arm) for run in runs]
        cells = (name, f"{np.concatenate(each).mean():.3f}", _many([r.mean() for r in each]))
        test = mcnemar(student, np.concatenate(each))
        against = f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
        against = "" if arm == "student" else f"{against}, p = {test.p:.1g}"
        report.add(*cells, *_effort(runs, arm), against)
    return report


def _teacher(runs: list[Any]) -> str:
    """The trained teacher, and how good it is at what it was trained for."""
    counts = [r["rationales"] for run in runs for r in run.results["training"]["student"]["rounds"]]
    verified = ", ".join(f"{sum(c.values()) - c['dropped']:,}" for c in counts)
    return (
        "The teacher is a language model of the student's size, trained for "
        f"{TEACHER_STEPS:,} updates on 12,000 transcripts of the tutor. Rows with a right solution, "
        f"round by round: {verified}."
    )


def _right(run: Any, arm: str) -> np.ndarray:
    found = pq.read_table(run.path / "items" / f"{arm}.parquet").to_pydict()
    return np.array(found["correct"], dtype=float)


def _effort(runs: list[Any], arm: str) -> tuple[str, str]:
    trained = [run.results["training"].get(arm) for run in runs]
    if None in trained:
        return "", ""
    rounds = ", ".join(str(len(t["rounds"])) for t in trained)
    return rounds, ", ".join(str(t["steps"]) for t in trained)


def _many(values: list[float]) -> str:
    return ", ".join(f"{v:.3f}" for v in values)


if __name__ == "__main__":
    main()
