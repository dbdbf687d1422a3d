"""Two models token by token: from tables of positions to figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from limbeck.analysis import by_position, by_rarity, reliability, token_means
from limbeck.evaluation.positions import Positions

_MEANS = ("kl_teacher_student", "kl_student_teacher", "jsd", "top1", "top5")
_ENTROPIES = ("entropy", "entropy_teacher")


def profile(found: Positions) -> dict[str, Any]:
    """Means over all tokens, by place in the text, and by how rare the token is."""
    values: dict[str, Any] = {name: found.values[name].astype(np.float64) for name in _MEANS}
    entropies = {name: found.values[name].astype(np.float64) for name in _ENTROPIES}
    values["entropy_gap"] = entropies["entropy"] - entropies["entropy_teacher"]
    means = token_means({**values, **entropies}, found.text)
    return {
        "tokens": len(found.text),
        **{name: mean.as_dict() for name, mean in means.items()},
        "by_position": by_position(values, found.position),
        "by_rarity": by_rarity(values, found.token),
    }


def calibration(found: Positions, of_teacher: bool = False) -> dict[str, Any]:
    """Whether a model's likeliest next token is right as often as the model thinks."""
    end = "_teacher" if of_teacher else ""
    # A softmax in 32 bits can come out a hair's breadth above 1.
    sure = np.clip(found.values[f"confidence{end}"].astype(np.float64), 0.0, 1.0)
    return reliability(sure, found.values[f"right{end}"], clusters=found.text.tolist()).as_dict()


def finite(found: Positions) -> bool:
    """Whether both models gave a distribution everywhere."""
    return all(bool(np.isfinite(values).all()) for values in found.values.values())


def distributions(
    tables: Mapping[str, Mapping[str, Positions]],
) -> tuple[dict[str, Any], list[str]]:
    """Figures of every model on every text.

    Args:
        tables: Model to text (``data``, ``teacher``, ``student``) to its positions.

    Returns:
        ``tokens``, ``calibration`` and ``calibration_gap`` of an audit, and what had to be left out.
    """
    tokens: dict[str, Any] = {}
    calibrations: dict[str, Any] = {}
    missing: list[str] = []
    for arm, texts in tables.items():
        for text, found in texts.items():
            if not len(found.text):
                missing.append(f"token by token, {arm} on the text of {text}: nothing was written")
            elif not finite(found):
                count = int((~np.isfinite(found.values["kl_teacher_student"])).sum())
                missing.append(
                    f"token by token, {arm} on the text of {text}: at {count:,} of "
                    f"{len(found.text):,} tokens there is no finite distribution"
                )
            else:
                tokens.setdefault(arm, {})[text] = profile(found)
                # On its own greedy text a teacher is always right: that says nothing of it.
                if text == "data":
                    calibrations[arm] = {"text": text, **calibration(found)}
                    if "teacher" not in calibrations:
                        its = calibration(found, of_teacher=True)
                        calibrations["teacher"] = {"text": text, **its}
    gaps = {
        arm: found["ece"] - calibrations["teacher"]["ece"]
        for arm, found in calibrations.items()
        if arm != "teacher"
    }
    return {"tokens": tokens, "calibration": calibrations, "calibration_gap": gaps}, missing
