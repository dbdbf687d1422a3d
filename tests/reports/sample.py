"""A results file as a real run writes it; the numbers are those of a small arithmetic task."""

import copy
import math
from typing import Any

from .audited import AUDIT, ITEMS, TASKS


def _share(right: int, low: float, high: float) -> dict[str, Any]:
    return {"value": right / ITEMS, "low": low, "high": high, "n": ITEMS}


def _estimate(value: float, half: float, n: int = ITEMS) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def _training(steps: int, start: float, end: float, terms: tuple[str, ...] = ()) -> dict[str, Any]:
    curve = []
    for step in range(10, steps + 1, 10):
        loss = end + (start - end) * math.exp(-step / 180) * (1 + 0.1 * math.sin(step / 17))
        point = {"step": step, "loss": loss, "learning_rate": 1e-3 * (1 - step / steps)}
        point.update({term: loss * (0.7 if i == 0 else 0.3) for i, term in enumerate(terms)})
        curve.append(point)
    evals = [
        {"step": s, "eval_loss": end * 1.1 + (start - end) * math.exp(-s / 180)}
        for s in range(200, steps + 1, 200)
    ]
    return {
        "steps": steps,
        "seconds": steps * 0.0234,
        "supervised_tokens": steps * 32 * 29,
        "sequences": steps * 32,
        "curve": curve,
        "eval_curve": evals,
    }


def _comparison(
    a: str, b: str, difference: float, half: float, p: float, corrected: float, *only: int
) -> dict:
    return {
        "a": a,
        "b": b,
        "metric": "accuracy",
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "p": p,
        "test": "exact McNemar",
        "n": ITEMS,
        "n10": only[0],
        "n01": only[1],
        "correction": "Holm over 5",
        "p_corrected": corrected,
    }


FULL: dict[str, Any] = {
    "schema": "limbeck.results/2",
    "name": "chain-arithmetic",
    "created": "2026-11-21T09:14:05+00:00",
    "limbeck": "0.1.0",
    "seed": 0,
    "models": {
        "teacher": {"label": "Teacher", "source": "runs/demo/teacher", "parameters": 2_362_624},
        "before": {"label": "Student before", "source": "runs/demo/init", "parameters": 394_112},
        "sft": {"label": "SFT", "source": "runs/demo/sft", "parameters": 394_112},
        "student": {"label": "Student", "source": "runs/demo/student", "parameters": 394_112},
        "control_gold": {
            "label": "SFT, gold answers for all",
            "source": "runs/demo/control_gold",
            "parameters": 394_112,
        },
        "control_labelled": {
            "label": "KD, labelled rows only",
            "source": "runs/demo/control_labelled",
            "parameters": 394_112,
        },
    },
    "evaluation": {
        "items": ITEMS,
        "kind": "pairs",
        "max_new_tokens": 64,
        "metrics": {
            "teacher": {
                "accuracy": _share(496, 0.980, 0.997),
                "bits_per_byte": _estimate(0.312, 0.006),
                "perplexity": 1.24,
                "invalid": 0.0,
                "truncated": 0.0,
            },
            "before": {
                "accuracy": _share(0, 0.0, 0.0076),
                "bits_per_byte": _estimate(4.912, 0.021),
                "perplexity": 30.1,
                "invalid": 0.994,
                "truncated": 1.0,
            },
            "sft": {
                "accuracy": _share(91, 0.151, 0.218),
                "bits_per_byte": _estimate(0.871, 0.031),
                "perplexity": 1.83,
                "invalid": 0.012,
                "truncated": 0.004,
            },
            "student": {
                "accuracy": _share(441, 0.851, 0.907),
                "bits_per_byte": _estimate(0.341, 0.009),
                "perplexity": 1.27,
                "invalid": 0.002,
                "truncated": 0.0,
            },
            "control_gold": {
                "accuracy": _share(445, 0.860, 0.915),
                "bits_per_byte": _estimate(0.338, 0.009),
                "perplexity": 1.26,
                "invalid": 0.0,
                "truncated": 0.0,
            },
            "control_labelled": {
                "accuracy": _share(83, 0.136, 0.201),
                "bits_per_byte": _estimate(0.842, 0.030),
                "perplexity": 1.79,
                "invalid": 0.014,
                "truncated": 0.002,
            },
        },
    },
    "comparisons": [
        _comparison("student", "sft", 0.700, 0.042, 3.1e-95, 1.2e-94, 358, 8),
        _comparison("student", "before", 0.882, 0.028, 3e-133, 1.5e-132, 441, 0),
        _comparison("student", "teacher", -0.110, 0.028, 2.4e-15, 7.2e-15, 2, 57),
        _comparison("student", "control_gold", -0.008, 0.032, 0.694, 0.888, 28, 32),
        _comparison("control_labelled", "sft", -0.016, 0.036, 0.444, 0.888, 36, 44),
    ],
    "recovered": {"metric": "accuracy", "value": 0.864, "low": 0.826, "high": 0.9, "n": ITEMS},
    "detectable": {"difference": 0.039, "power": 0.8, "n": ITEMS},
    "tasks": TASKS,
    "audit": AUDIT,
    "training": {
        "teacher": _training(1200, 2.9, 0.05),
        "sft": _training(1000, 3.1, 0.02),
        "student": _training(1000, 2.7, 0.06, ("forward_kl", "cross_entropy")),
        "control_gold": _training(1000, 3.1, 0.08),
        "control_labelled": _training(1000, 2.6, 0.03),
    },
    "text": {
        "prompts": 2300,
        "labelled": 300,
        "answered_by_teacher": 2300,
        "finished": 2000,
        "correct": 0.98,
        "on_policy_tokens": None,
        "tokens_generated": 58_112,
    },
    "data": {
        "source": "chain_arithmetic",
        "train": 2300,
        "validation": 200,
        "test": ITEMS,
        "notes": {"duplicate_rows": 0, "leaking_rows": 0},
        "truncation": {"cut_completion": 0, "cut_prompt": 0, "dropped": 0},
    },
    "controls": {"gold": "run", "labelled": "run"},
    "method": {
        "name": "kd",
        "formula": "KL(p || q)",
        "options": {"temperature": 1.0},
        "source": "teacher's answers",
        "paper": {
            "title": "Distilling the Knowledge in a Neural Network",
            "url": "https://arxiv.org/abs/1503.02531",
        },
    },
    "doctor": [
        {
            "check": "vocabulary",
            "status": "ok",
            "what": "Teacher and student share one tokenizer (27 entries).",
            "why": "Token-level losses compare the two distributions entry by entry.",
            "mend": "",
        },
        {
            "check": "memory",
            "status": "ok",
            "what": "0.4 GiB needed, 12 GiB free.",
            "why": "",
            "mend": "",
        },
        {
            "check": "labels",
            "status": "note",
            "what": "2,000 of 2,300 training prompts have no answer.",
            "why": "The student will learn from more prompts than its SFT baseline.",
            "mend": "Run the controls (--controls) to see where a gain comes from.",
        },
        {
            "check": "batch",
            "status": "warn",
            "what": "300 labelled rows make 107 epochs in 1,000 steps.",
            "why": "SFT will see each labelled row about a hundred times and may overfit.",
            "mend": "Use fewer steps, or more labelled rows.",
        },
    ],
    "costs": {
        "wall_seconds": {
            "teacher": 112.4,
            "text": 6.2,
            "sft": 23.1,
            "student": 24.3,
            "controls": 45.2,
            "evaluation": 18.9,
        },
        "peak_memory_bytes": 1_288_490_189,
        "tokens_generated": 58_112,
    },
    "environment": {
        "python": "3.11.9",
        "torch": "2.13.0+cpu",
        "transformers": "5.23.0",
        "limbeck": "0.1.0",
        "device": "cpu",
        "threads": 2,
        "platform": "Linux-6.1-x86_64",
    },
    "recipe": {
        "student": {"config": "llama", "hidden_size": 128, "num_hidden_layers": 2},
        "teacher": {"config": "llama", "hidden_size": 256, "num_hidden_layers": 3},
        "data": {"source": "chain_arithmetic", "rows": 2300, "labelled": 300, "test_rows": ITEMS},
        "method": {"name": "kd", "temperature": 1.0},
        "training": {"learning_rate": 0.001, "max_steps": 1000, "per_device_train_batch_size": 32},
        "output": "runs/demo",
    },
    "command": "limbeck distill runs/demo/recipe.yaml",
}


def full() -> dict[str, Any]:
    """Results with every section; a copy that a test may change."""
    return copy.deepcopy(FULL)


def short() -> dict[str, Any]:
    """Results with everything but what takes long to draw."""
    whole = full()
    del whole["audit"], whole["training"], whole["tasks"]
    return whole


def least() -> dict[str, Any]:
    """Results with nothing but what is always there."""
    whole = full()
    models = {arm: whole["models"][arm] for arm in ("teacher", "student")}
    scores = {arm: whole["evaluation"]["metrics"][arm] for arm in models}
    return {
        "schema": whole["schema"],
        "name": "least",
        "models": models,
        "evaluation": {"items": ITEMS, "kind": "pairs", "metrics": scores},
    }


def standalone() -> dict[str, Any]:
    """Results of an audit of two given models and a baseline: nothing was trained."""
    whole = full()
    names = {"teacher": "Teacher", "sft": "baseline", "student": "Student"}
    for arm in list(whole["models"]):
        if arm not in names:
            del whole["models"][arm], whole["evaluation"]["metrics"][arm]
        else:
            whole["models"][arm]["label"] = names[arm]
    pairs = (r for r in whole["comparisons"] if {r["a"], r["b"]} <= names.keys())
    whole["comparisons"] = list(pairs)
    for section in ("training", "text", "controls", "method", "doctor", "recipe", "tasks"):
        del whole[section]
    return whole | {"name": "audit of Student"}


def of_text() -> dict[str, Any]:
    """Results of a run on plain text: bits per byte, no answers, no controls."""
    whole = full()
    for arm in ("control_gold", "control_labelled"):
        del whole["models"][arm], whole["evaluation"]["metrics"][arm]
        del whole["training"][arm]
    for scores in whole["evaluation"]["metrics"].values():
        del scores["accuracy"], scores["invalid"], scores["truncated"]
    whole["evaluation"] |= {"kind": "text", "max_new_tokens": None}
    whole["comparisons"] = [
        {
            "a": "student",
            "b": "sft",
            "metric": "bits_per_byte",
            "difference": -0.53,
            "low": -0.56,
            "high": -0.50,
            "p": 0.0002,
            "test": "paired bootstrap",
            "n": ITEMS,
        }
    ]
    whole["controls"] = {"gold": "not possible", "labelled": "not possible"}
    whole["recovered"] |= {"metric": "bits_per_byte", "value": 0.948, "low": 0.93, "high": 0.96}
    whole["audit"] = {
        part: {arm: of for arm, of in whole["audit"][part].items() if "control" not in arm}
        for part in ("tokens", "calibration", "calibration_gap")
    }
    del whole["detectable"], whole["tasks"], whole["text"]
    return whole
