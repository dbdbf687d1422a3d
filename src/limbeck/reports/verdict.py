"""The verdict of a run: did it beat plain fine-tuning, how near to the teacher, and why."""

from collections.abc import Mapping
from typing import Any

from . import origin, words
from .facts import (
    Contrast,
    Metric,
    Results,
    ahead,
    better,
    contrast,
    gap,
    label,
    primary,
    recovered,
    rival,
    score,
    trained,
)
from .feedback import feedback
from .remarks import remarks


def verdict(results: Results) -> str:
    """A few plain sentences on a run, for an engineer who has to decide.

    The first says whether the student beats SFT on the same items (difference, interval, p, n,
    steps) and how much of the gap to the teacher it recovers. The rest says where the gain comes
    from, as far as the controls tell, or what the test could not have seen; of a method with
    feedback, whether that beat one-shot rationales; and what the audit found that a score hides.

    Args:
        results: The contents of ``results.json``; only models and evaluation are needed.
    """
    metric = primary(results)
    if metric is None:
        sentences = [
            "The student was not scored, so nothing can be said about whether distillation worked."
            if trained(results)
            else "The student was not scored, so nothing can be said about what it can do."
        ]
        return " ".join((*sentences, *remarks(results)))
    over_sft = contrast(results, "student", "sft", metric)
    if over_sft is None:
        sentences = [_without_baseline(results, metric)]
    else:
        against, near = (
            _against_sft(results, metric, over_sft),
            _near_teacher(results, metric, over_sft),
        )
        sentences = [f"{against}{near}.", _second(results, metric, over_sft)]
    return " ".join(filter(None, (*sentences, feedback(results, metric), *remarks(results))))


def _against_sft(results: Results, metric: Metric, over: Contrast) -> str:
    one, other = label(results, "student"), label(results, "sft")
    if trained(results):
        one, other = "Distillation", "plain fine-tuning (SFT)"
    if not over.tested:
        claim = f"{one} was not tested against {other} item by item"
    elif not over.significant:
        claim = f"{one} did not measurably differ from {other}"
    elif better(over, metric):
        claim = f"{one} beat {other}"
    else:
        claim = f"{one} did worse than {other}"
    return (
        f"{claim}: {_scores(results, metric, 'student', 'sft')}, "
        f"{_against(results, metric, over)}{_on_items(results, over)}{_steps(results)}"
    )


def _against(results: Results, metric: Metric, over: Contrast) -> str:
    """The effect; one within noise is said to be, whatever its size."""
    if not over.tested or over.significant or over.difference == 0:
        return _effect(metric, over)
    size = metric.write_difference(abs(over.difference)).removeprefix("+")
    unit = " points" if metric.key == "accuracy" else " bits per byte"
    side = "above" if over.difference > 0 else "below"
    return f"and {size}{unit} {side} {rival(results)} is within noise {_judged(metric, over)}"


def _scores(results: Results, metric: Metric, a: str, b: str) -> str:
    first, second = (metric.write(score(results, arm, metric)) for arm in (a, b))
    return f"{first} against {second}{_unit(results, metric)}"


def _unit(results: Results, metric: Metric) -> str:
    if metric.higher_is_better:
        return ""
    of = " of its teacher's answers" if results["evaluation"].get("read") == "teacher" else ""
    return f" bits per byte{of} (lower is better)"


def _effect(metric: Metric, over: Contrast) -> str:
    unit = " points" if metric.key == "accuracy" else ""
    text = f"{metric.write_difference(over.difference)}{unit}"
    return f"{text} {_judged(metric, over)}" if over.tested else text


def _judged(metric: Metric, over: Contrast) -> str:
    interval = words.span(over.low, over.high, metric.write_difference)
    return f"(95% interval {interval}, {over.p_words})"


def _on_items(results: Results, over: Contrast) -> str:
    n = over.n or results["evaluation"].get("items")
    noun = "text" if results["evaluation"].get("kind") == "text" else "item"
    return f" on the same {words.count(n)} {noun}{'' if n == 1 else 's'}" if n else ""


def _steps(results: Results) -> str:
    training = results.get("training") or {}
    student, sft = (_own_steps(results, training.get(arm, {})) for arm in ("student", "sft"))
    if not student or not sft:
        return ""
    if student == sft:
        return f" after {words.count(student)} optimiser steps each"
    unequal = f"{words.count(student)} optimiser steps against {words.count(sft)}"
    return f", though not at equal training ({unequal})"


def _own_steps(results: Results, log: Mapping[str, Any]) -> int | None:
    """Of the model that is measured: with rounds that each start afresh, those of the kept one."""
    options = (results.get("method") or {}).get("options") or {}
    rounds, kept = log.get("rounds"), log.get("kept_round")
    if options.get("start") == "fresh" and rounds and kept is not None:
        return rounds[kept].get("steps")
    return log.get("steps")


def _near_teacher(results: Results, metric: Metric, over: Contrast) -> str:
    if not metric.higher_is_better and results["evaluation"].get("read") == "teacher":
        return ""  # how well a teacher predicts itself is no aim
    teacher = score(results, "teacher", metric)
    if teacher is None:
        return "; the teacher was not scored"
    scored = metric.write(teacher)
    if not gap(results, metric):
        over_sft = contrast(results, "teacher", "sft", metric)
        measurably = "measurably " if over_sft and ahead(over_sft, metric) else ""
        no_gap = f"is not {measurably}better than {rival(results)}, so there was no gap to recover"
        return f"; the teacher ({scored}) {no_gap}"
    share = recovered(results, metric)
    if share is None or (over.significant and not better(over, metric)):
        return f"; the teacher scores {scored}"
    of_gap = f"recovers {words.share_of(share)} of the gap to its teacher ({scored})"
    if not better(over, metric):
        return f"; it {of_gap}"
    to_teacher = contrast(results, "student", "teacher", metric)
    if to_teacher and to_teacher.tested and not to_teacher.significant:
        return f", and is within noise of its teacher ({scored})"
    if share["value"] >= 1:
        return (
            f", and scores no lower than its teacher ({scored})"
            if metric.higher_is_better
            else (f", and needs no more bits than its teacher ({scored})")
        )
    return f", and {of_gap}"


def _second(results: Results, metric: Metric, over: Contrast) -> str:
    if better(over, metric):
        return origin.origin(results, metric) if trained(results) else ""
    if over.significant or not over.tested or over.low is None or over.high is None:
        return ""
    # Half the interval is about the smallest difference that this many items can tell from none.
    least = (over.high - over.low) / 2
    if metric.key == "accuracy":
        least = (results.get("detectable") or {}).get("difference") or least
    if least == 0:
        return ""
    seen = f"{100 * least:.1f} points" if metric.key == "accuracy" else f"{least:.3f}"
    return f"With this many items a difference below about {seen} cannot be told from noise."


def _without_baseline(results: Results, metric: Metric) -> str:
    student = metric.write(score(results, "student", metric))
    text = f"The student scores {student}{_unit(results, metric)}"
    over_before = contrast(results, "student", "before", metric)
    if over_before is not None:
        before = metric.write(score(results, "before", metric))
        text += f", {before} before training"
        if over_before.tested:
            text += f": {_effect(metric, over_before)}{_on_items(results, over_before)}"
    teacher = score(results, "teacher", metric)
    if teacher is not None and results["evaluation"].get("read") != "teacher":
        text += f"; its teacher scores {metric.write(teacher)}"
    if "sft" in results["models"]:
        return f"{text}. {label(results, 'sft')} could not be scored on the same text."
    if not trained(results):
        return f"{text}. No baseline was given to compare it with."
    return (
        f"{text}. No SFT baseline was run, so nothing here tells whether plain fine-tuning would "
        "have done as well."
    )
