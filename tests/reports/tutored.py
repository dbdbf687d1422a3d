"""The results of a run with rounds and all of its controls, as the method ``undo`` writes them."""

import copy
from typing import Any

from .sample import ITEMS, full

LABELS = {
    "one_shot": "One-shot rationales",
    "control_longer": "One-shot, trained for as long",
    "control_resample": "Resampled, no feedback",
    "control_blind": "Rewritten without the errors",
    "control_shuffled": "Shuffled feedback",
}
CONTROLS = tuple(arm for arm in LABELS if arm != "one_shot")
SELECTION = 200


def _round(number: int, right: int, tags: dict[str, int], **more: Any) -> dict[str, Any]:
    value = right / SELECTION
    return {
        "round": number,
        "validation_nats_per_token": 0.41 - 0.03 * number,
        "selection": {
            "value": value,
            "low": value - 0.066,
            "high": value + 0.068,
            "n": SELECTION,
        },
        "tags": tags,
    } | more


def _example(question: str, answer: str, attempt: str, tag: str, old: str, new: str) -> dict:
    return {
        "question": question,
        "answer": answer,
        "attempt": attempt,
        "tag": tag,
        "old": old,
        "new": new,
    }


EGGS = _example(
    "A farm gathers 16 eggs a day. Three are eaten and four are baked into muffins; the rest are "
    "sold at $2 each. How much money does the farm make every day?",
    "18",
    "1. The farm sells 16 - 3 = 13 eggs.\n2. 13 * 2 = $26.\nFinal answer: \\boxed{26}",
    "missing_step",
    "16 - 3 - 4 = 9 eggs are sold, so the farm makes 9 * 2 = $18.\nFinal answer: \\boxed{18}",
    "1. The farm has 16 eggs.\n2. Three are eaten: 16 - 3 = 13 eggs are left.\n"
    "3. Four more are baked: 13 - 4 = 9 eggs are left.\n4. Each is sold for $2: 9 * 2 = $18.\n"
    "Final answer: \\boxed{18}",
)
CLIPS = _example(
    "Nadia sold 48 clips in April and half as many in May. How many did she sell in all?",
    "72",
    "48 / 2 = 26, and 48 + 26 = 74.\nFinal answer: \\boxed{74}",
    "arithmetic",
    "48 + 48 / 2 = 72.\nFinal answer: \\boxed{72}",
    "1. Half of 48 is 48 / 2 = 24.\n2. Both months: 48 + 24 = 72.\nFinal answer: \\boxed{72}",
)
ROUNDS = [
    _round(
        0,
        82,
        {"right": 8, "lucky": 1, "arithmetic": 5, "missing_step": 4, "format": 1, "truncated": 1},
        rationales={"first": 262, "retried": 21, "earlier": 0, "own": 0, "dropped": 17},
        asked={"answers": 338, "tokens_in": 54_080, "tokens_out": 30_420, "money": 0.0812},
        rationale_tokens={"mean": 61.4},
    ),
    _round(
        1,
        93,
        {"right": 10, "lucky": 1, "arithmetic": 5, "missing_step": 2, "misread": 1, "unclear": 1},
        rationales={"first": 248, "retried": 19, "earlier": 18, "own": 0, "dropped": 15},
        asked={"answers": 371, "tokens_in": 1_212_800, "tokens_out": 41_552, "money": 0.3914},
        rationale_tokens={"mean": 88.0},
        examples=[EGGS, CLIPS],
    ),
    _round(
        2,
        104,
        {"right": 13, "arithmetic": 3, "missing_step": 1, "wrong_method": 2, "incoherent": 1},
        rationales={"first": 255, "retried": 14, "earlier": 17, "own": 0, "dropped": 14},
        asked={"answers": 360, "tokens_in": 1_980_000, "tokens_out": 40_104, "money": 0.5763},
        rationale_tokens={"mean": 90.7},
        examples=[EGGS, CLIPS],
    ),
    _round(
        3,
        103,
        {"right": 13, "arithmetic": 3, "missing_step": 1, "wrong_method": 3},
        rationales={"first": 251, "retried": 15, "earlier": 20, "own": 0, "dropped": 14},
        asked={"answers": 366, "tokens_in": 2_744_100, "tokens_out": 41_730, "money": 0.7698},
        rationale_tokens={"mean": 92.1},
        examples=[EGGS],
    ),
]


def _against(b: str, difference: float, p: float) -> dict[str, Any]:
    return {
        "a": "student",
        "b": b,
        "metric": "accuracy",
        "difference": difference,
        "low": difference - 0.03,
        "high": difference + 0.03,
        "p": p,
        "test": "exact McNemar",
        "n": ITEMS,
        "n10": 60,
        "n01": round(60 - difference * ITEMS),
    }


def tutored() -> dict[str, Any]:
    """A run whose student beats one-shot rationales and every control."""
    results = full()
    metrics = results["evaluation"]["metrics"]
    for arm in ("control_gold", "control_labelled"):
        for section in (results["models"], metrics):
            del section[arm]
    # Curves and audit are those of any other run, and take the longest to draw.
    del results["audit"], results["tasks"]
    results["training"] = {"sft": {"steps": 1000}, "student": {"steps": 1000}}
    results["comparisons"] = results["comparisons"][:3]
    results["text"] |= {"prompts": 300, "labelled": 300, "answered_by_teacher": 283}
    results["method"] = {"name": "undo", "formula": "", "options": {"rounds": 3}, "source": ""}
    for arm, name in LABELS.items():
        results["models"][arm] = results["models"]["student"] | {"label": name}
    for arm, difference, p in (
        ("one_shot", 0.066, 0.0004),
        ("control_longer", 0.058, 0.0012),
        ("control_resample", 0.044, 0.011),
        ("control_blind", 0.040, 0.019),
        ("control_shuffled", 0.052, 0.0031),
    ):
        against(results, arm, difference, p)
    student = results["training"]["student"]
    student |= {"rounds": copy.deepcopy(ROUNDS), "kept_round": 2, "stopped": "no gain"}
    for place, arm in enumerate(CONTROLS[1:]):
        rounds = [
            _round(
                r["round"],
                80 + 2 * place + (6 - 3 * place) * r["round"],
                {"right": 9, "arithmetic": 11},
            )
            for r in ROUNDS[:3]
        ]
        results["training"][arm] = {"rounds": rounds, "kept_round": 1, "stopped": "last round"}
    return results


def against(results: dict[str, Any], arm: str, difference: float, p: float) -> None:
    """Set how an arm was measured, and its paired test against the student."""
    metrics = results["evaluation"]["metrics"]
    value = metrics["student"]["accuracy"]["value"] - difference
    metrics[arm] = {
        "accuracy": {"value": value, "low": value - 0.03, "high": value + 0.03, "n": ITEMS}
    }
    rest = [row for row in results["comparisons"] if row["b"] != arm]
    results["comparisons"] = [*rest, _against(arm, difference, p)]
