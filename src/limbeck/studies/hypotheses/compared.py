"""Claims about means: improvement, better, interaction, order, non-inferior, no difference, methods.

All but the last are one mean of differences, and one question: on which side of a bound is it? So
the p is one-sided, of Student's t over what repeats (see `limbeck.studies.hypotheses.units`), and
the interval the two-sided one of 95 % from the same standard error.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from limbeck.analysis import anova, holm
from limbeck.analysis.repeated import ClusterMean, cluster_mean, repeated_anova
from limbeck.studies.hypotheses import power
from limbeck.studies.hypotheses.finding import Finding, Untestable, joined
from limbeck.studies.hypotheses.rows import Row, number, observed, paired, worded
from limbeck.studies.hypotheses.spec import (
    Better,
    Improvement,
    Interaction,
    MethodsDiffer,
    NoDifference,
    NonInferior,
    Order,
    Where,
)
from limbeck.studies.hypotheses.units import Sample, sampled

_ONE_SIDE = 0.025  # the level at which one end of the 95 % interval passes a bound


def improvement(claim: Improvement, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Mean improvement over SFT above 0."""
    observations = observed(rows, axes, lambda row: (number(row, claim.on),))
    sample, mean = _least_sure(sampled(observations, claim.units))
    cells: dict[tuple[object, ...], list[float]] = {}
    for one in observations:
        cells.setdefault(one.cell, []).append(one.values[0])
    gained = sum(math.fsum(values) > 0 for values in cells.values())
    note = f"{gained} of {len(cells)} cells gain"
    return _above(sample, mean, 0.0, f"{claim.on} over SFT; {sample.words}", note)


def non_inferior(claim: NonInferior, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Mean of the score less another's score, above minus the margin."""
    column = claim.OTHERS[claim.to]

    def difference(row: Row) -> tuple[float | None]:
        mine, other = number(row, "score"), number(row, column)
        return (None if mine is None or other is None else mine - other,)

    sample, mean = _least_sure(sampled(observed(rows, axes, difference), claim.units))
    words = f"score less {column}, margin {claim.margin:g}; {sample.words}"
    return _above(sample, mean, -claim.margin, words, None)


def better(claim: Better, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Mean of a's column less b's, in pairs, above ``by``."""
    sample, mean, note = _differences(claim.a, claim.b, claim.on, rows, axes, claim.units)
    by = f" by more than {claim.by:g}" if claim.by else ""
    words = f"{claim.on} of {worded(claim.a)} less that of {worded(claim.b)}{by}; {sample.words}"
    return _above(sample, mean, claim.by, words, note)


def interaction(claim: Interaction, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Mean of a's lead over b in one place, less that in the other, above 0."""
    observations, note = paired(rows, axes, claim.sides, claim.on)
    leads = [
        replace(one, values=(one.values[0] - one.values[1] - (one.values[2] - one.values[3]),))
        for one in observations
    ]
    sample, mean = _least_sure(sampled(leads, claim.units))
    words = (
        f"{claim.on} of {worded(claim.a)} less that of {worded(claim.b)}: in {worded(claim.more_in)} "
        f"less in {worded(claim.less_in)}; {sample.words}"
    )
    return _above(sample, mean, 0.0, words, note)


def order(claim: Order, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Every neighbour better than the next: as sure as the least sure of them.

    Each pair has its one-sided p; Holm's correction over the pairs; the largest stands for the
    claim. Effect and interval are those of the pair that speaks for it least, and the order is
    refuted where a pair is plainly the other way round, corrected in the same way.
    """
    links, against, notes = [], [], []
    for a, b in zip(claim.best_first, claim.best_first[1:], strict=False):
        sample, mean, note = _differences(a, b, claim.on, rows, axes, claim.units)
        found = _above(sample, mean, 0.0, sample.words, note)
        links.append(found)
        against.append(mean.below(0.0))
        notes.append(f"{worded(a)} less {worded(b)}: {found.effect:+.3f}")
    weakest = max(links, key=lambda link: link.p)
    names = " > ".join(worded(side) for side in claim.best_first)
    return Finding(
        weakest.effect,
        weakest.low,
        weakest.high,
        float(holm([link.p for link in links]).max()),
        weakest.n,
        weakest.unit,
        f"{weakest.test}, Holm over {len(links)} neighbours",
        all(link.holds for link in links),
        min(against) * len(against) < _ONE_SIDE,
        f"{claim.on} of {names}, the least sure pair of neighbours; {weakest.words}",
        lambda level: weakest.needed(level / len(links)),
        weakest.statistic,
        joined(*notes, weakest.note),
    )


def no_difference(claim: NoDifference, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Mean of a's column less b's, in pairs, inside both bounds (two one-sided tests)."""
    sample, mean, note = _differences(claim.a, claim.b, claim.on, rows, axes, claim.units)
    low, high = mean.interval()
    within = claim.within
    deviation = mean.error * math.sqrt(mean.clusters)
    return Finding(
        mean.mean,
        low,
        high,
        max(mean.above(-within), mean.below(within)),
        sample.n,
        sample.unit,
        _test(sample, "two one-sided t tests"),
        -within < low and high < within,
        low > within or high < -within,
        f"{claim.on} of {worded(claim.a)} less that of {worded(claim.b)}, within {within:g}; "
        f"{sample.words}",
        lambda level: power.for_equivalence(mean.mean, within, deviation, min(level, _ONE_SIDE)),
        None,
        joined(note, sample.note),
    )


def methods_differ(claim: MethodsDiffer, rows: Sequence[Row], axes: Sequence[str]) -> Finding:
    """Not all means alike: analysis of variance, with repeated measures over what repeats."""
    names = claim.among or sorted({str(row["method"]) for row in rows if row.get("method")})
    if len(names) < 2:
        raise Untestable("there are runs of one method only")
    if claim.units == "cells":
        return _between_cells(claim, names, rows, axes)
    sides: list[Where] = [{"method": name} for name in names]
    observations, note = paired(rows, axes, sides, claim.on)
    tests = []
    for sample in sampled(observations, claim.units):
        table = sample.by_cluster()
        try:
            one = repeated_anova({name: table[:, k] for k, name in enumerate(names)})
        except ValueError as error:
            raise Untestable(str(error)) from None
        tests.append((sample, table, one))
    sample, table, found = max(tests, key=lambda each: each[2].p)
    upper, lower = (float(part) for part in (found.df or "").split(", "))
    statistic = found.statistic or 0.0
    return Finding(
        found.effect,
        found.low,
        found.high,
        found.p,
        sample.n,
        sample.unit,
        found.test,
        True,
        False,
        f"{claim.on} by method ({', '.join(names)}), share of variance; {sample.words}",
        lambda level: power.for_anova(
            statistic, upper, lambda n: lower * (n - 1) / (sample.n - 1), sample.n, level
        ),
        statistic,
        joined(_extremes(names, list(table.mean(axis=0))), note, sample.note),
    )


def _between_cells(
    claim: MethodsDiffer, names: Sequence[str], rows: Sequence[Row], axes: Sequence[str]
) -> Finding:
    groups, note = {}, None
    for name in names:
        mine = [row for row in rows if str(row.get("method")) == name]
        cells = sampled(observed(mine, axes, lambda r: (number(r, claim.on),)), claim.units)[0]
        groups[name], note = cells.values[:, 0], cells.note
    try:
        found = anova(groups)
    except ValueError as error:
        raise Untestable(str(error)) from None
    means = [float(values.mean()) for values in groups.values()]
    statistic, count = found.statistic or 0.0, len(names)
    return Finding(
        found.effect,
        found.low,
        found.high,
        found.p,
        found.n,
        "cells",
        found.test,
        True,
        False,
        f"{claim.on} by method ({', '.join(names)}), share of variance; {found.n} cells",
        lambda level: power.for_anova(statistic, count - 1, lambda n: n - count, found.n, level),
        statistic,
        joined(_extremes(names, means), note),
    )


def _extremes(names: Sequence[str], means: Sequence[float]) -> str:
    best, worst = means.index(max(means)), means.index(min(means))
    return f"{names[best]} {means[best]:+.3f}, {names[worst]} {means[worst]:+.3f}"


def _differences(
    a: Where,
    b: Where,
    column: str,
    rows: Sequence[Row],
    axes: Sequence[str],
    units: Literal["clusters", "cells"],
) -> tuple[Sample, ClusterMean, str | None]:
    observations, note = paired(rows, axes, [a, b], column)
    return *_least_sure(sampled(observations, units)), note


def _least_sure(samples: Sequence[Sample]) -> tuple[Sample, ClusterMean]:
    """The sample with the widest interval of the mean (of the first side less the second)."""
    means = []
    for sample in samples:
        first = sample.values[:, 0]
        values = first if sample.values.shape[1] == 1 else first - sample.values[:, 1]
        try:
            means.append((sample, cluster_mean(values, sample.clusters)))
        except ValueError as error:
            raise Untestable(str(error)) from None

    def width(one: tuple[Sample, ClusterMean]) -> float:
        low, high = one[1].interval()
        return high - low

    return max(means, key=width)


def _above(
    sample: Sample, mean: ClusterMean, bound: float, words: str, note: str | None
) -> Finding:
    low, high = mean.interval()
    deviation = mean.error * math.sqrt(mean.clusters)

    def needed(level: float) -> int | None:
        if mean.mean > bound:
            return power.for_shift(mean.mean - bound, deviation, min(level, _ONE_SIDE))
        return power.for_shift(bound - mean.mean, deviation, _ONE_SIDE)

    return Finding(
        mean.mean,
        low,
        high,
        mean.above(bound),
        sample.n,
        sample.unit,
        _test(sample, "one-sided t"),
        low > bound,
        high < bound,
        words,
        needed,
        (mean.mean - bound) / mean.error if mean.error else None,
        joined(note, sample.note),
    )


def _test(sample: Sample, name: str) -> str:
    return f"{name}, cluster-robust" if sample.clusters is not None else name
