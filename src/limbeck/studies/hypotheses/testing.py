"""All hypotheses of a study against its table: one family, one correction."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from limbeck.analysis import benjamini_hochberg, holm
from limbeck.studies.hypotheses import compared
from limbeck.studies.hypotheses.checking import axes_of
from limbeck.studies.hypotheses.finding import Finding, Untestable
from limbeck.studies.hypotheses.related import correlation
from limbeck.studies.hypotheses.result import Result, State
from limbeck.studies.hypotheses.rows import Row, chosen, comparable, rows_of
from limbeck.studies.hypotheses.spec import (
    Better,
    Claim,
    Correlation,
    Hypothesis,
    Improvement,
    Interaction,
    MethodsDiffer,
    NoDifference,
    NonInferior,
    Order,
)

LEVEL = 0.05
_NAMES = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def test(
    hypotheses: Sequence[Hypothesis],
    table: Mapping[str, Sequence[Any]],
    correction: Literal["holm", "bh"] = "holm",
    axes: Sequence[str] | None = None,
) -> list[Result]:
    """Test what a study claimed.

    Hypotheses that the table cannot test count in the family with p = 1: they were declared.

    Args:
        hypotheses: The claims, all that were declared.
        table: The study's results, a list by column; hyper-parameters already selected.
        correction: Of p over the family.
        axes: Names of the columns that make a cell; by default those that are no measurements.

    Returns:
        One result for each hypothesis, in their order.
    """
    if not hypotheses:
        return []
    rows, names = rows_of(table), axes_of(table) if axes is None else axes
    findings = [_tested(hypothesis, rows, names) for hypothesis in hypotheses]
    ps = [1.0 if isinstance(found, Untestable) else min(1.0, found.p) for found in findings]
    corrected = (holm if correction == "holm" else benjamini_hochberg)(ps)
    label = f"{_NAMES[correction]} over {len(ps)}"
    level = LEVEL / len(ps)  # of the smallest p; what a planned study has to reckon with
    return [
        _result(hypothesis, found, float(p), label, level)
        for hypothesis, found, p in zip(hypotheses, findings, corrected, strict=True)
    ]


def _tested(claim: Claim, rows: Sequence[Row], axes: Sequence[str]) -> Finding | Untestable:
    try:
        mine = chosen(rows, claim.where, claim.task)
        if not isinstance(claim, Correlation):
            mine = comparable(mine)
        match claim:
            case Improvement():
                return compared.improvement(claim, mine, axes)
            case NonInferior():
                return compared.non_inferior(claim, mine, axes)
            case Better():
                return compared.better(claim, mine, axes)
            case Interaction():
                return compared.interaction(claim, mine, axes)
            case NoDifference():
                return compared.no_difference(claim, mine, axes)
            case Order():
                return compared.order(claim, mine, axes)
            case MethodsDiffer():
                return compared.methods_differ(claim, mine, axes)
            case Correlation():
                return correlation(claim, mine, chosen(rows, claim.where, "all"), axes)
        raise TypeError(f"no test for {type(claim).__name__}")
    except Untestable as reason:
        return reason


def _result(
    claim: Hypothesis, found: Finding | Untestable, p: float, correction: str, level: float
) -> Result:
    if isinstance(found, Untestable):
        return Result(
            claim.claim,
            claim.kind,
            "undecided",
            effect=None,
            low=None,
            high=None,
            p=None,
            p_corrected=None,
            correction=correction,
            n=0,
            unit="units",
            test="none",
            statistic=None,
            words="nothing could be compared",
            needed_n=None,
            note=str(found),
        )
    state: State = "undecided"
    if p < LEVEL and found.holds:
        state = "supported"
    elif found.fails:
        state = "refuted"
    return Result(
        claim.claim,
        claim.kind,
        state,
        effect=found.effect,
        low=found.low,
        high=found.high,
        p=found.p,
        p_corrected=p,
        correction=correction,
        n=found.n,
        unit=found.unit,
        test=found.test,
        statistic=found.statistic,
        words=found.words,
        needed_n=found.needed(level) if state == "undecided" else None,
        note=found.note,
    )
