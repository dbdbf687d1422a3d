"""Where a gain over SFT comes from, as far as the two controls tell.

A distilled student usually sees more text than its SFT baseline: the teacher answers prompts that
have no label. *SFT with gold answers for all prompts* has that text without the teacher; *the
method on the labelled rows only* has the teacher without that text.
"""

from . import words
from .facts import Contrast, Metric, Results, ahead, contrast, score

HOW = "run again with --controls"


def origin(results: Results, metric: Metric) -> str:
    """A sentence or two on where the student's gain over SFT comes from, or on how to find out.

    Args:
        results: The contents of ``results.json``; its student beats SFT by more than noise.
        metric: The metric it does so by.
    """
    text = results.get("text") or {}
    prompts, labelled = text.get("prompts"), text.get("labelled")
    if prompts and labelled and prompts <= labelled:
        return (
            f"Both saw the same {words.count(labelled)} labelled rows, so the gain comes from "
            "the teacher's text or probabilities, not from more rows."
        )
    if text.get("answered_by_teacher") == 0:
        return (
            "The teacher wrote none of the training text, so the gain comes from its "
            "probabilities, not from its answers."
        )
    over_gold = contrast(results, "student", "control_gold", metric)
    labelled_over_sft = contrast(results, "control_labelled", "sft", metric)
    findings = [
        finding
        for finding in (
            over_gold and _gold(results, metric, over_gold, _unlabelled(text)),
            labelled_over_sft and _labelled(results, metric, labelled_over_sft),
        )
        if finding
    ]
    if not findings:
        return _open(results)
    return " ".join(f"{finding}." for finding in findings)


def _unlabelled(text: dict) -> str:
    prompts, labelled = text.get("prompts"), text.get("labelled")
    if prompts is None or labelled is None:
        return "the prompts without labels"
    return f"the {words.count(prompts - labelled)} prompts without labels"


def _gold(results: Results, metric: Metric, over: Contrast, unlabelled: str) -> str:
    scored = metric.write(score(results, "control_gold", metric))
    start = "SFT with gold answers for all prompts"
    answers = (
        f"so the teacher's answers to {unlabelled} explain the gain, and its probabilities add "
        "nothing measurable to them"
    )
    if not over.tested:
        return f"{start} scores {scored}, not tested against the student"
    if not over.significant:
        return f"{start} does as well ({scored}, {over.p_words}), {answers}"
    if not ahead(over, metric):
        return f"{start} does better still ({scored}, {over.p_words}), {answers}"
    return (
        f"{start} falls short of the student ({scored}, {over.p_words}), so the gain is "
        "more than right answers to more prompts: the teacher's own signal adds to it"
    )


def _labelled(results: Results, metric: Metric, over: Contrast) -> str:
    scored = metric.write(score(results, "control_labelled", metric))
    start = "The method on the labelled rows only"
    if not over.tested:
        return f"{start} scores {scored}, not tested against SFT"
    if not over.significant:
        return f"{start} is within noise of SFT ({scored}, {over.p_words})"
    if ahead(over, metric):
        return f"{start} beats SFT too ({scored}, {over.p_words}), without more prompts"
    return f"{start} does worse than SFT ({scored}, {over.p_words})"


def _open(results: Results) -> str:
    """What is not known, and which controls would tell."""
    text, controls = results.get("text") or {}, results.get("controls") or {}
    labelled, answered = text.get("labelled"), text.get("answered_by_teacher")
    situation = "Where the gain comes from is open"
    if labelled is not None and answered and answered > labelled:
        # The arms differ in nothing else, so this much is known without a control.
        situation = (
            f"The gain comes from the teacher's work on {words.count(answered)} prompts, "
            f"{words.count(answered - labelled)} of which nobody had labelled (SFT saw only the "
            f"{words.count(labelled)} labelled rows); whether right answers from any other source would "
            "do as well is open"
        )
    wanted = [
        words_of
        for key, words_of in (
            ("gold", "SFT with gold answers for all prompts"),
            ("labelled", "the method on the labelled rows only"),
        )
        if controls.get(key) != "not possible"
    ]
    if not wanted:
        return f"{situation}; with these data no control can tell."
    number = "two controls" if len(wanted) == 2 else "one control"
    return f"{situation}; {number} would tell ({'; '.join(wanted)}): {HOW}."
