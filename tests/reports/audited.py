"""What an audit finds, as ``results.json`` holds it, and the items that a page can show."""

import random
from typing import Any

ITEMS = 500
ARMS = {  # arm: accuracy, KL(teacher, arm), same top token, confidence above accuracy
    "before": (0.0, 3.921, 0.071, 0.02),
    "sft": (0.182, 0.642, 0.846, 0.118),
    "student": (0.882, 0.031, 0.984, 0.012),
    "control_gold": (0.890, 0.044, 0.983, 0.034),
    "control_labelled": (0.166, 0.498, 0.851, 0.094),
}
PLACES = ("1", "2-3", "4-7", "8-15", "16-31")
RARITIES = ("0.01-0.1%", "0.1-1%", "1-10%", "10% and more")


def estimate(value: float, half: float, n: int = ITEMS) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def _distances(kl: float, top1: float) -> dict[str, float]:
    return {
        "kl_teacher_student": kl,
        "kl_student_teacher": 0.9 * kl,
        "jsd": min(0.69, 0.22 * kl),
        "top1": top1,
        "top5": (1 + top1) / 2,
        "entropy_gap": -0.1 * kl,
    }


def _text(kl: float, top1: float, climb: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: estimate(value, 0.05 * min(abs(value), 1 - value if value < 1 else 1))
        for key, value in _distances(kl, top1).items()
    }
    found |= {"tokens": 14_630, "entropy": estimate(0.11 + 0.1 * kl, 0.01)}
    found["entropy_teacher"] = estimate(0.11, 0.01)
    found["by_position"] = [
        {"name": name, "tokens": 3_657, **_distances(kl * (1 + climb * i), top1 * (1 - 0.01 * i))}
        for i, name in enumerate(PLACES)
    ]
    found["by_rarity"] = [
        {"name": name, "tokens": 4_877, **_distances(kl * (2.2 - 0.6 * i), top1 * (0.9 + 0.05 * i))}
        for i, name in enumerate(RARITIES)
    ]
    return found


def _calibration(over: float) -> dict[str, Any]:
    bins = []
    for i in range(10):
        confidence = 0.05 + 0.1 * i
        accuracy = min(1.0, max(0.0, confidence - over * (1 + 0.5 * (i < 7))))
        bins.append(
            {
                "low": 0.1 * i,
                "high": 0.1 * (i + 1),
                "confidence": confidence,
                "accuracy": estimate(accuracy, 0.02, 1_463),
            }
        )
    return {
        "text": "data",
        "n": 14_630,
        "ece": 0.008 + over,
        "brier": estimate(0.04 + over, 0.004, 14_630),
        "overconfidence": estimate(over, 0.004, 14_630),
        "bins": bins,
    }


def _agreement(both: int, only_teacher: int, only_arm: int, same_wrong: int) -> dict[str, Any]:
    both_wrong = ITEMS - both - only_teacher - only_arm
    same = (both + same_wrong) / ITEMS
    found = {
        "n": ITEMS,
        "same": estimate(same, 0.03),
        "kappa": estimate(max(same - 0.02, 0), 0.03),
        "both_right": both,
        "only_a": only_teacher,
        "only_b": only_arm,
        "both_wrong": both_wrong,
        "same_wrong": same_wrong,
        "unanswered_a": 0,
        "unanswered_b": 3,
    }
    if both_wrong:
        found["error_agreement"] = estimate(same_wrong / both_wrong, 0.2, both_wrong)
    return found


def _margin(value: float, p: float) -> dict[str, Any]:
    return estimate(value, 0.03) | {"difference": value, "p": p, "test": "paired bootstrap"}


def _parted(advantage: float, deficit: float, p: float) -> dict[str, Any]:
    return {
        "n": ITEMS,
        "basis": "correctness",
        "mass_sfs": 0.056,
        "mass_tfs": 0.944,
        "mass_ties": 0.722,
        "advantage": estimate(advantage, 0.008),
        "deficit": estimate(deficit, 0.025),
        "margin": _margin(advantage - deficit, p),
    }


AUDIT: dict[str, Any] = {
    "tokens": {
        arm: {
            "data": _text(kl, top1, 0.1),
            "teacher": _text(0.8 * kl, top1, 0.08),
            "student": _text(1.5 * kl, 0.98 * top1, 0.6),
        }
        for arm, (_, kl, top1, _) in ARMS.items()
    },
    "calibration": {
        "teacher": _calibration(0.004),
        **{arm: _calibration(over) for arm, (*_, over) in ARMS.items()},
    },
    "calibration_gap": {arm: over - 0.004 for arm, (*_, over) in ARMS.items()},
    "agreement": {
        "before": _agreement(0, 460, 0, 0),
        "sft": _agreement(64, 396, 28, 5),
        "student": _agreement(420, 40, 21, 14),
        "control_gold": _agreement(424, 36, 21, 6),
        "control_labelled": _agreement(60, 400, 23, 5),
    },
    "excess_agreement": {arm: estimate(0.03, 0.02) for arm in ARMS},
    "steps": {
        arm: {
            "n": ITEMS,
            "equation_jaccard": estimate(shared, 0.03),
            "operator_similarity": estimate((1 + shared) / 2, 0.02),
            "step_ratio": estimate(ratio, 0.04),
            "unfaithful": estimate(unfaithful, 0.04, 441),
        }
        for arm, shared, ratio, unfaithful in (
            ("sft", 0.41, 1.12, 0.22),
            ("student", 0.86, 1.01, 0.061),
            ("control_gold", 0.83, 1.0, 0.071),
        )
    },
    "diversity": {
        arm: {
            "n": 64,
            "distinct_1": d1,
            "distinct_2": d2,
            "self_bleu": bleu,
            "pass_at_k": {"1": one, "2": one + gain, "4": one + 1.6 * gain, "8": one + 2 * gain},
            "collapse": False,
        }
        for arm, d1, d2, bleu, one, gain in (
            ("teacher", 0.31, 0.62, 0.48, 0.90, 0.045),
            ("sft", 0.36, 0.71, 0.40, 0.19, 0.12),
            ("student", 0.29, 0.58, 0.52, 0.87, 0.05),
        )
    },
    "ceiling": {
        "student": {
            "ceiling": estimate(0.942, 0.02),
            "agreement": estimate(0.861, 0.03),
            "shortfall": {
                "difference": -0.081,
                "low": -0.11,
                "high": -0.052,
                "p": 0.0002,
                "n": ITEMS,
                "test": "paired bootstrap",
            },
        }
    },
    "subdomains": {
        basis: {
            "fixed_from": "sft",
            "mass_sfs": 0.056,
            "mass_tfs": 0.944,
            "mass_ties": 0.722 if basis == "correctness" else 0.0,
            "arms": {
                "sft": _parted(0.056, 0.794, 1e-9),
                "student": _parted(0.044, 0.082, 0.001),
                "control_gold": _parted(0.041, 0.071, 0.002),
            },
            "recovery": {
                "student": {"retention": estimate(0.79, 0.12), "repair": estimate(0.897, 0.02)},
                "control_gold": {"retention": None, "repair": estimate(0.91, 0.02)},
            },
        }
        for basis in ("correctness", "loss")
    },
    "prospect": "Before training: SFT is better than the teacher on 5.6% of the items; the student "
    "wins where it keeps that and closes more than 93% of the deficit elsewhere.",
    "not_measured": ["the judge's preference: no judge was named in the recipe"],
}

TASKS: dict[str, Any] = {
    "gsm8k": {
        "n": 1_319,
        "main": "strict",
        "kind": "generate",
        "source": "openai/gsm8k",
        "shots": 8,
        "metrics": {
            arm: {
                "accuracy": estimate(value, 0.025, 1_319),
                "strict": estimate(value, 0.025, 1_319),
                "flexible": estimate(value + 0.02, 0.025, 1_319),
                "invalid_rate": estimate(0.02, 0.01, 1_319),
                "truncation_rate": estimate(0.01, 0.01, 1_319),
                "context_cut_rate": None,
            }
            for arm, value in (("teacher", 0.61), ("sft", 0.31), ("student", 0.38))
        },
        "comparisons": [
            {
                "a": "student",
                "b": "sft",
                "metric": "strict",
                "difference": 0.07,
                "low": 0.04,
                "high": 0.10,
                "p": 0.00002,
                "n": 1_319,
                "test": "exact McNemar",
                "n10": 180,
                "n01": 88,
                "correction": "Holm over 2",
                "p_corrected": 0.00004,
            }
        ],
    },
    "pubmedqa": {
        "n": 500,
        "main": "by_none",
        "kind": "choices",
        "source": None,
        "shots": 0,
        "metrics": {
            arm: {
                "accuracy": estimate(value, 0.04),
                "by_none": estimate(value, 0.04),
                "macro_f1": estimate(value - 0.15, 0.05),
                "invalid_rate": estimate(0.0, 0.0),
                "truncation_rate": estimate(0.0, 0.0),
            }
            for arm, value in (("teacher", 0.742), ("sft", 0.688), ("student", 0.684))
        },
        "comparisons": [
            {
                "a": "student",
                "b": "sft",
                "metric": "by_none",
                "difference": -0.004,
                "low": -0.04,
                "high": 0.03,
                "p": 0.41,
                "n": 500,
                "test": "exact McNemar",
                "correction": "Holm over 2",
                "p_corrected": 0.41,
            }
        ],
    },
}


def items(count: int = ITEMS) -> list[dict[str, Any]]:
    """Sums of several terms, right and wrong as the agreement says, in no order."""
    chance = random.Random(0)
    return [_item(number, chance) for number in range(count)]


def _item(number: int, chance: random.Random) -> dict[str, Any]:
    terms = [chance.randint(1, 9) for _ in range(chance.randint(3, 6))]
    signs = ["", *(chance.choice("+-") for _ in terms[1:])]
    prompt = "".join(sign + str(term) for sign, term in zip(signs, terms, strict=True)) + "="
    values = [-t if s == "-" else t for s, t in zip(signs, terms, strict=True)]
    truth = sum(values)
    outputs: dict[str, Any] = {}
    off = chance.choice((-2, -1, 1, 2))
    for arm, right in (("teacher", 0.92), ("sft", 0.18), ("student", 0.87)):
        correct = chance.random() < right
        answer = truth if correct else truth + (off if chance.random() < 0.6 else 3)
        silent = not correct and chance.random() < 0.1
        text = _working(values, answer, chance.random() < 0.06)
        outputs[arm] = {
            "text": text[: len(text) // 2] if silent else f"{text}#{answer}",
            "correct": correct,
            "extracted": None if silent else str(answer),
            "finished": not silent,
        }
        if arm != "teacher":
            outputs[arm]["jaccard"] = 0.2 if chance.random() < 0.07 else 0.9
    return {"id": f"item-{number:04d}", "prompt": prompt, "answer": str(truth), "outputs": outputs}


def _working(values: list[int], answer: int, backwards: bool) -> str:
    steps, total = [], 0
    for value in reversed(values) if backwards else values:
        steps.append(f"{total}{value:+d}={total + value}")
        total += value
    steps[-1] = steps[-1].rsplit("=", 1)[0] + f"={answer}"
    return ";".join(steps)
