"""Where the student can win: the items that it does better than its teacher before distillation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.analysis import (
    Partition,
    Subdomains,
    by_correctness,
    by_loss,
    by_subdomain,
    recovery,
)
from limbeck.evaluation.audit.answers import Answers

Losses = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of the student before distillation, and of the teacher, on each item."""


def partitions(
    teacher: Answers, baseline: Answers, losses: Losses | None = None
) -> dict[str, Partition]:
    """The items parted by who is right, and, where losses are known, by whose loss is lower."""
    found = {"correctness": by_correctness(baseline.correct, teacher.correct)}
    if losses is not None:
        found["loss"] = by_loss(*losses)
    elif _losses(teacher, baseline):
        found["loss"] = by_loss(baseline.losses, teacher.losses)  # type: ignore[arg-type]
    return found


def subdomains(
    arms: Mapping[str, Answers], fixed_from: str, losses: Losses | None = None
) -> dict[str, Any]:
    """Advantage, deficit and margin of each model against the teacher, by subdomain.

    Args:
        arms: ``teacher`` and the others; scores are right or wrong.
        fixed_from: The student before distillation, which the parting is read from.
        losses: To part by instead of the models' own, such as losses out of fold.
    """
    teacher, baseline = arms["teacher"], arms[fixed_from]
    found: dict[str, Any] = {}
    for basis, partition in partitions(teacher, baseline, losses).items():
        others = {arm: a for arm, a in arms.items() if arm != "teacher"}
        parts = {arm: against(partition, a, teacher) for arm, a in others.items()}
        distilled = {arm: a for arm, a in others.items() if arm not in ("before", fixed_from)}
        found[basis] = {
            "fixed_from": fixed_from,
            "mass_sfs": float(partition.sfs.mean()),
            "mass_tfs": float((~partition.sfs).mean()),
            "mass_ties": float(partition.ties.mean()),
            "arms": {arm: part.as_dict() for arm, part in parts.items()},
            "recovery": {
                arm: _recovered(partition, a, arms, fixed_from) for arm, a in distilled.items()
            },
        }
    return found


def against(partition: Partition, student: Answers, teacher: Answers) -> Subdomains:
    """One model against the teacher."""
    return by_subdomain(partition, student.correct, teacher.correct, student.documents)


def prospect(teacher: Answers, baseline: Answers) -> str:
    """When can the student win? From the models before distillation, in one or two sentences."""
    part = against(by_correctness(baseline.correct, teacher.correct), baseline, teacher)
    ahead, behind = part.advantage.value, part.deficit.value
    said = (
        f"Before distillation the student alone is right on {100 * ahead:.1f}% of {part.n:,} items, "
        f"and its teacher alone on {100 * behind:.1f}%."
    )
    if behind == 0:
        return f"{said} There is no item on which this teacher has anything to teach."
    if ahead == 0:
        return f"{said} By imitating this teacher it can at best draw level with it."
    if ahead >= behind:
        return f"{said} It scores no lower than its teacher already: by imitation it can lose that."
    needed = 100 * (1 - ahead / behind)
    return (
        f"{said} A student that keeps all it knew better passes its teacher once it has more than "
        f"{needed:.1f}% of the latter right; one that loses it all to imitation can at best draw level."
    )


def _recovered(
    partition: Partition, distilled: Answers, arms: Mapping[str, Answers], fixed_from: str
) -> dict[str, Any]:
    done = recovery(
        partition,
        distilled.correct,
        arms[fixed_from].correct,
        arms["teacher"].correct,
        distilled.documents,
    )
    return {
        "retention": None if done.retention is None else done.retention.as_dict(),
        "repair": None if done.repair is None else done.repair.as_dict(),
    }


def _losses(*sides: Answers) -> bool:
    return all(s.losses is not None and bool(np.isfinite(s.losses).all()) for s in sides)
