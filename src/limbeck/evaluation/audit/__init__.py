"""Did the student learn the teacher's way, or only its answers? Tables in, figures out."""

from collections.abc import Mapping
from typing import Any

from limbeck.evaluation.audit.answers import (
    Answers,
    Sample,
    agreement,
    excess_agreement,
    overlaps,
    reasoning,
)
from limbeck.evaluation.audit.distributions import distributions
from limbeck.evaluation.audit.samples import ceiling, collapsed, diversity
from limbeck.evaluation.audit.subdomains import Losses, prospect, subdomains
from limbeck.evaluation.positions import Positions

__all__ = ["Answers", "Losses", "Sample", "audit", "overlaps", "prospect"]


def audit(
    arms: Mapping[str, Answers],
    tables: Mapping[str, Mapping[str, Positions]],
    losses: Losses | None = None,
) -> dict[str, Any]:
    """Everything that an audit says, as JSON holds it.

    Args:
        arms: Answers of each model to the same items, in the same order. ``teacher`` is whom the
            others are compared with; ``sft``, else ``before``, is the student before distillation.
        tables: Model to text to both distributions at each of its tokens; see `distributions`.
        losses: Of the student before distillation and of the teacher, to part the items by.

    Returns:
        A section for each subject, those left out that could not be measured, and ``not_measured``
        with the reasons.
    """
    found, missing = distributions(tables)
    if not tables:
        missing.append(
            "token by token: no two models with one tokenizer and all their probabilities are at hand"
        )
    elif not found["calibration"]:
        missing.append("calibration: it needs text that neither model wrote, rows with completions")
    if "teacher" not in arms:
        missing.append(
            "answers: the teacher's are not known"
            if arms
            else "answers: the rows have no right ones"
        )
        return _filled({**found, "not_measured": missing})
    teacher = arms["teacher"]
    others = {arm: answers for arm, answers in arms.items() if arm != "teacher"}
    found["agreement"] = {arm: agreement(teacher, a) for arm, a in others.items()}
    found["excess_agreement"] = {
        arm: excess_agreement(teacher, a).as_dict() for arm, a in others.items()
    }
    steps = {arm: done for arm, a in others.items() if (done := reasoning(teacher, a))}
    found["steps"] = steps
    if not steps:
        missing.append("steps of reasoning: the teacher's answers show no equation")
    drawn = {arm: diversity(a.samples) for arm, a in arms.items() if a.samples}
    for figures in drawn.values():
        figures["collapse"] = "teacher" in drawn and collapsed(figures, drawn["teacher"])
    found["diversity"] = drawn
    found["ceiling"] = {arm: done for arm, a in others.items() if (done := ceiling(teacher, a))}
    if not drawn:
        missing.append("diversity and the noise ceiling: no further answers were drawn")
    fixed_from = next((arm for arm in ("sft", "before") if arm in arms), None)
    if fixed_from is None:
        missing.append("subdomains: they are fixed from a student before distillation (a baseline)")
    else:
        found["subdomains"] = subdomains(arms, fixed_from, losses)
        found["prospect"] = prospect(teacher, arms[fixed_from])
    return _filled({**found, "not_measured": missing})


def _filled(found: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in found.items() if part or name == "not_measured"}
