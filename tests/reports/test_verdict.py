"""The verdict has to be honest in every case that a run can end in."""

import copy
from typing import Any

import pytest

from limbeck.reports import verdict
from limbeck.reports.words import MINUS

from .sample import full, least, of_text, standalone


def _against(results: dict[str, Any], a: str, b: str, difference: float, p: float) -> None:
    """Set the outcome of one comparison, moving the score of b to fit."""
    row = next(r for r in results["comparisons"] if (r["a"], r["b"]) == (a, b))
    row |= {
        "difference": difference,
        "low": difference - 0.03,
        "high": difference + 0.03,
        "p": p,
    }
    row.pop("p_corrected", None)
    scores = results["evaluation"]["metrics"]
    scores[b]["accuracy"]["value"] = scores[a]["accuracy"]["value"] - difference


def _without_controls(results: dict[str, Any]) -> dict[str, Any]:
    for arm in ("control_gold", "control_labelled"):
        del results["models"][arm], results["evaluation"]["metrics"][arm]
    results["comparisons"] = results["comparisons"][:3]
    results["controls"] = {"gold": "not run", "labelled": "not run"}
    return results


def test_a_gain_is_said_with_everything_that_judges_it():
    text = verdict(full())
    assert text.startswith(
        "Distillation beat plain fine-tuning (SFT): 88.2% against 18.2%, +70.0 points "
        "(95% interval +65.8 to +74.2, corrected p < 0.001) on the same 500 items after 1,000 optimiser "
        "steps each, and recovers 86% [83, 90] of the gap to its teacher (99.2%)."
    )


def test_the_comparison_may_be_written_the_other_way_round():
    results = full()
    row = results["comparisons"][0]
    row |= {"a": "sft", "b": "student", "difference": -0.7, "low": -0.742, "high": -0.658}
    assert verdict(results) == verdict(full())


def test_gold_answers_that_do_as_well_explain_the_gain():
    text = verdict(full())
    assert "SFT with gold answers for all prompts does as well (89.0%, corrected p = 0.89)" in text
    assert "the teacher's answers to the 2,000 prompts without labels explain the gain" in text
    assert "its probabilities add nothing measurable" in text
    assert (
        "The method on the labelled rows only is within noise of SFT (16.6%, corrected p = 0.89)."
        in text
    )


def test_gold_answers_that_do_better_are_not_hidden():
    results = full()
    _against(results, "student", "control_gold", -0.05, 0.001)
    assert "does better still" in verdict(results)


def test_gold_answers_that_fall_short_leave_the_gain_to_the_teacher():
    results = full()
    _against(results, "student", "control_gold", 0.08, 0.0004)
    text = verdict(results)
    assert "falls short of the student" in text
    assert "the teacher's own signal adds to it" in text
    assert "nothing measurable" not in text


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (0.06, 0.01, "beats SFT too"),
        (-0.06, 0.01, "does worse than SFT"),
        (0.01, 0.6, "within noise"),
    ],
)
def test_the_method_on_labelled_rows_is_judged_against_sft(difference: float, p: float, said: str):
    results = full()
    row = results["comparisons"][4]
    row |= {"difference": difference, "p": p, "p_corrected": p}
    assert f"The method on the labelled rows only {'is ' if p > 0.05 else ''}{said}" in verdict(
        results
    )


def test_controls_without_a_test_carry_no_conclusion():
    results = full()
    results["comparisons"] = results["comparisons"][:3]
    text = verdict(results)
    assert "scores 89.0%, not tested against the student" in text
    assert "explain the gain" not in text


def test_without_controls_the_origin_is_open_and_the_way_to_find_out_is_named():
    text = verdict(_without_controls(full()))
    assert "2,000 of which nobody had labelled (SFT saw only the 300 labelled rows)" in text
    assert "the teacher's work on 2,300 prompts" in text
    assert "two controls would tell" in text
    assert "--controls" in text


def test_a_control_that_cannot_be_run_is_not_asked_for():
    results = _without_controls(full())
    results["controls"]["gold"] = "not possible"
    text = verdict(results)
    assert "one control would tell (the method on the labelled rows only)" in text
    assert "gold" not in text


def test_the_same_prompts_for_both_need_no_control():
    results = _without_controls(full())
    results["text"] |= {"prompts": 300, "labelled": 300, "answered_by_teacher": 300}
    text = verdict(results)
    assert "Both saw the same 300 labelled rows" in text
    assert "--controls" not in text


def test_worse_than_sft_is_said_plainly():
    results = full()
    _against(results, "student", "sft", -0.06, 0.002)
    text = verdict(results)
    assert text.startswith(
        "Distillation did worse than plain fine-tuning (SFT): 88.2% against 94.2%"
    )
    assert "recovers" not in text
    assert "explain the gain" not in text


def test_noise_is_called_noise_and_says_what_could_not_be_seen():
    results = full()
    _against(results, "student", "sft", 0.012, 0.48)
    results["recovered"] |= {"value": 0.1, "low": -0.15, "high": 0.34}
    text = verdict(results)
    assert text.startswith(
        "Distillation did not measurably differ from plain fine-tuning (SFT): 88.2% against 87.0%, "
        f"and 1.2 points above SFT is within noise (95% interval {MINUS}1.8 to +4.2, p = 0.48)"
    )
    assert f"; it recovers 10% [{MINUS}15, 34] of the gap to its teacher (99.2%)." in text
    assert "below about 3.9 points cannot be told from noise" in text
    assert "beat" not in text


def test_without_the_power_of_the_test_half_the_interval_says_what_could_be_seen():
    results = full()
    _against(results, "student", "sft", -0.012, 0.48)
    del results["detectable"]
    text = verdict(results)
    assert "1.2 points below SFT is within noise" in text
    assert "below about 3.0 points cannot be told from noise" in text


def test_a_gain_that_does_not_survive_the_correction_is_noise():
    """Of twenty comparisons one has p below 0.05 with nothing behind it."""
    results = full()
    _against(results, "student", "sft", 0.03, 0.02)
    assert verdict(results).startswith("Distillation beat")
    row = next(r for r in results["comparisons"] if r["b"] == "sft")
    row |= {"p_corrected": 0.1, "correction": "Holm over 5"}
    text = verdict(results)
    assert "3.0 points above SFT is within noise" in text
    assert "corrected p = 0.10" in text


def test_a_gap_that_was_not_measured_is_not_recovered():
    results = full()
    del results["recovered"]
    text = verdict(results)
    assert "recovers" not in text
    assert "; the teacher scores 99.2%." in text


def test_an_audit_of_given_models_speaks_of_them():
    text = verdict(standalone())
    assert text.startswith("Student beat baseline: 88.2% against 18.2%, +70.0 points")
    assert "Where baseline was better than the teacher" in text
    for word in ("SFT", "fine-tuning", "Distillation", "--controls", "steps each"):
        assert word not in text


def test_an_audit_without_a_baseline_asks_for_none():
    text = verdict(least())
    assert "The student scores 88.2%; its teacher scores 99.2%." in text
    assert text.endswith("No baseline was given to compare it with.")


def _steps(low: float) -> dict[str, Any]:
    results = full()
    steps = results["audit"]["steps"]["student"]
    steps["unfaithful"] = {"value": low + 0.08, "low": low, "high": low + 0.16, "n": 441}
    return results


def test_right_answers_by_other_steps_are_told_when_they_are_many():
    assert "28% [20, 36] of the right answers of Student show other equations" not in verdict(
        _steps(0.2)
    )
    assert "29% [21, 37] of the right answers of Student show other equations" in verdict(
        _steps(0.21)
    )


def test_an_advantage_is_lost_only_where_the_interval_says_so():
    """And never by answers: parted by what is counted, every model loses some by chance alone."""
    results = full()
    parts = results["audit"]["subdomains"]
    assert parts["correctness"]["recovery"]["student"]["retention"]["high"] < 1
    parts.pop("loss", None)
    assert "kept only" not in verdict(results)
    parts["loss"] = copy.deepcopy(parts["correctness"])
    assert "(5.6% of the items), Student kept only 79% [67, 91] of its lead" in verdict(results)
    parts["loss"]["recovery"]["student"]["retention"]["high"] = 1.0
    assert "kept only" not in verdict(results)


def test_a_collapse_is_an_alarm_and_comes_first_of_at_most_two_remarks():
    results = _steps(0.4)
    results["audit"]["diversity"]["student"] |= {"collapse": True, "distinct_2": 0.12}
    text = verdict(results)
    assert (
        "Alarm: Student writes much less varied text than its teacher (distinct pairs of words: "
        "12.0% against 62.0%)." in text
    )
    assert text.index("Alarm") < text.index("show other equations")
    assert "kept only" not in text


def test_p_of_exactly_five_hundredths_is_noise():
    results = full()
    _against(results, "student", "sft", 0.03, 0.05)
    assert "within noise" in verdict(results)


def test_a_difference_that_was_not_tested_is_not_claimed():
    results = full()
    results["comparisons"] = []
    text = verdict(results)
    assert "was not tested against plain fine-tuning (SFT)" in text
    assert "beat" not in text


def test_no_baseline_but_a_score_before_training():
    results = full()
    for section in (results["models"], results["evaluation"]["metrics"]):
        del section["sft"]
    text = verdict(results)
    assert "0.0% before training: +88.2 points" in text
    assert "No SFT baseline was run" in text


def test_a_teacher_no_better_than_sft_leaves_no_gap():
    results = full()
    results["evaluation"]["metrics"]["teacher"]["accuracy"]["value"] = 0.15
    assert "the teacher (15.0%) is not better than SFT, so there was no gap" in verdict(results)


def test_a_teacher_ahead_of_sft_by_noise_leaves_no_gap_either():
    results = full()
    results["evaluation"]["metrics"]["teacher"]["accuracy"]["value"] = 0.19
    results["comparisons"].append(
        {"a": "teacher", "b": "sft", "metric": "accuracy", "difference": 0.008, "p": 0.7, "n": 500}
    )
    assert "is not measurably better than SFT" in verdict(results)


def test_a_student_level_with_its_teacher():
    results = full()
    _against(results, "student", "teacher", -0.002, 0.9)
    assert "and is within noise of its teacher (88.4%)" in verdict(results)


def test_a_student_above_its_teacher():
    results = full()
    _against(results, "student", "teacher", 0.1, 0.0001)
    results["recovered"] |= {"value": 1.17, "low": 1.09, "high": 1.25}
    assert "and scores no lower than its teacher (78.2%)" in verdict(results)


def test_unequal_training_is_pointed_out():
    results = full()
    results["training"]["sft"]["steps"] = 800
    text = verdict(results)
    assert "though not at equal training (1,000 optimiser steps against 800)" in text


def test_bits_per_byte_decide_where_there_is_no_accuracy():
    m = MINUS
    text = verdict(of_text())
    assert text.startswith(
        "Distillation beat plain fine-tuning (SFT): 0.341 against 0.871 bits per byte (lower is "
        f"better), {m}0.530 (95% interval {m}0.560 to {m}0.500, p < 0.001) on the same 500 texts"
    )
    assert "recovers 95% [93, 96] of the gap to its teacher (0.312)" in text
    assert "no control can tell" in text


def test_more_bits_per_byte_are_worse():
    results = of_text()
    results["comparisons"][0] |= {"difference": 0.1, "low": 0.08, "high": 0.12}
    assert verdict(results).startswith("Distillation did worse")


def test_text_that_no_teacher_wrote_leaves_its_probabilities():
    results = of_text()
    results["text"] = {"prompts": None, "labelled": None, "answered_by_teacher": 0}
    assert "The teacher wrote none of the training text" in verdict(results)


def test_a_teacher_that_was_not_scored():
    results = full()
    del results["evaluation"]["metrics"]["teacher"]
    assert "; the teacher was not scored." in verdict(results)


def test_nothing_scored():
    results = least()
    results["evaluation"]["metrics"] = {}
    assert "nothing can be said" in verdict(results)
