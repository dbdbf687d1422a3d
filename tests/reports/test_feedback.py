"""A gain of feedback may be claimed only where every control of it was beaten."""

from typing import Any

import pytest

from limbeck.reports import render, verdict
from limbeck.reports.facts import METRICS
from limbeck.reports.feedback import feedback
from limbeck.reports.figures import COLOURS

from .page import Page
from .sample import full, of_text
from .tutored import CONTROLS, against, tutored

ACCURACY, BITS = METRICS


def _without(*arms: str) -> dict[str, Any]:
    results = tutored()
    for arm in arms:
        del results["models"][arm], results["evaluation"]["metrics"][arm]
    results["comparisons"] = [r for r in results["comparisons"] if r["b"] not in arms]
    return results


def test_feedback_that_beats_every_control_matters():
    text = verdict(tutored())
    assert text.startswith("Distillation beat plain fine-tuning (SFT)")
    assert text.endswith(
        "Rewriting the rationales in rounds beats one-shot rationales by 6.6 points (p < 0.001), "
        "and longer one-shot training by 5.8 points (p = 0.0012), resampling without feedback by "
        "4.4 points (p = 0.011), rewriting without sight of the errors by 4.0 points (p = 0.019) "
        "and shuffled feedback by 5.2 points (p = 0.0031): the feedback matters."
    )


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("control_longer", "longer training alone explains the gain"),
        ("control_resample", "the feedback adds nothing measurable"),
        ("control_blind", "seeing the errors adds nothing measurable"),
        ("control_shuffled", "it does not measurably matter which errors the feedback is about"),
    ],
)
@pytest.mark.parametrize(("difference", "p"), [(0.008, 0.6), (-0.05, 0.001), (0.05, 0.05)])
def test_a_control_that_is_not_beaten_explains_the_gain(
    arm: str, said: str, difference: float, p: float
):
    """Also where it is better still, and where p is exactly five hundredths."""
    results = tutored()
    against(results, arm, difference, p)
    text = feedback(results, ACCURACY)
    assert ", but not " in text and text.endswith(f": {said}.")
    assert "matters" not in text


def test_of_two_explanations_the_plainer_one_is_given():
    results = tutored()
    against(results, "control_resample", 0.004, 0.8)
    against(results, "control_longer", 0.002, 0.9)
    text = feedback(results, ACCURACY)
    assert (
        "but not longer one-shot training (88.0%, p = 0.90) and resampling without feedback "
        "(87.8%, p = 0.80): longer training alone explains the gain." in text
    )


def test_one_control_alone_says_what_it_can():
    text = feedback(_without("control_longer", "control_resample", "control_blind"), ACCURACY)
    assert text.endswith(
        ", and shuffled feedback by 5.2 points (p = 0.0031): the feedback matters."
    )


def test_longer_training_is_no_control_of_the_feedback():
    text = feedback(_without(*CONTROLS[1:]), ACCURACY)
    assert "it is more than longer training, but whether the feedback did it is open" in text


def test_without_a_tested_control_the_origin_is_open():
    results = tutored()
    results["comparisons"] = results["comparisons"][:4]
    for text in (feedback(results, ACCURACY), feedback(_without(*CONTROLS), ACCURACY)):
        assert text.endswith("whether the feedback did it is open, for no control was tested.")


def test_noise_needs_no_explanation():
    results = tutored()
    against(results, "one_shot", 0.01, 0.48)
    assert feedback(results, ACCURACY) == (
        "Rewriting the rationales in rounds is within noise of one-shot rationales (87.2%, "
        "p = 0.48): there is no gain to explain."
    )


def test_worse_than_one_shot_is_said_plainly():
    results = tutored()
    against(results, "one_shot", -0.04, 0.01)
    text = feedback(results, ACCURACY)
    assert text.endswith("does worse than one-shot rationales by 4.0 points (p = 0.01).")


def test_a_difference_that_was_not_tested_is_not_claimed():
    results = tutored()
    results["comparisons"] = []
    text = feedback(results, ACCURACY)
    assert "not tested item by item" in text and "beats" not in text


def test_a_one_shot_student_that_was_kept_is_called_one():
    results = tutored()
    results["training"]["student"]["kept_round"] = 0
    assert "the student is the one-shot student" in feedback(results, ACCURACY)


def test_it_is_said_without_a_baseline_too():
    results = _without("sft")
    results["comparisons"] = [r for r in results["comparisons"] if r["b"] != "sft"]
    text = verdict(results)
    assert "No SFT baseline was run" in text and text.endswith("the feedback matters.")


def test_fewer_bits_are_better():
    results = of_text()
    results["models"]["one_shot"] = results["models"]["student"] | {"label": "One-shot"}
    results["evaluation"]["metrics"]["one_shot"] = {"bits_per_byte": {"value": 0.361}}
    row = {
        "a": "one_shot",
        "b": "student",
        "metric": "bits_per_byte",
        "difference": 0.02,
        "p": 0.01,
    }
    results["comparisons"].append(row)
    assert "beats one-shot rationales by 0.020 bits per byte (p = 0.01)" in feedback(results, BITS)


def test_other_methods_hear_nothing_of_it():
    assert feedback(full(), ACCURACY) == ""


def test_the_page_has_a_tile_for_the_gain():
    text = " ".join(Page(render(tutored())).text.split())
    assert "Against one-shot +6.6 points, p < 0.001" in text


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, by WCAG 2."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("arm", COLOURS)
def test_an_arms_colour_is_its_own_and_shows_on_both_pages(arm: str):
    """A contrast of two on the lightest and the darkest card, and no arm looks like another."""
    assert list(COLOURS.values()).count(COLOURS[arm]) == 1
    for ground in ("#ffffff", "#1c1f22"):
        dark, light = sorted((_luminance(COLOURS[arm]), _luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) > 2


def test_every_arm_that_is_measured_has_a_colour():
    assert set(COLOURS) >= set(tutored()["models"])
