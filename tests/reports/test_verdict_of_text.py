"""What a verdict says of bits per byte: whose text they are of, and who could not be scored."""

from typing import Any

from limbeck.reports import verdict

from .sample import of_text, standalone


def _prompts_only() -> dict[str, Any]:
    results = of_text()
    results["evaluation"]["read"] = "teacher"
    return results


def test_whose_text_the_bits_are_of_is_said():
    """A student that predicts its teacher's answers well need not write well."""
    text = verdict(_prompts_only())
    assert "bits per byte of its teacher's answers (lower is better)" in text
    assert "the teacher" not in text.replace("its teacher's answers", "")
    assert "of its teacher's answers" not in verdict(of_text())


def test_a_baseline_that_could_not_be_scored_was_given_all_the_same():
    results = standalone()
    results["models"]["sft"] = {"label": "Baseline", "source": "somewhere"}
    results["evaluation"]["metrics"].pop("sft", None)
    results["comparisons"] = []
    text = verdict(results)
    assert "Baseline could not be scored on the same text." in text
    assert "No baseline" not in text
