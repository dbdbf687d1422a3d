"""The audit's sections say what was measured, and nothing where it was not."""

from typing import Any

import pytest

from limbeck.reports import audit, render, tasks, words
from limbeck.reports.audit import answers, calibration, diversity, scatter, subdomains, tokens
from limbeck.reports.card_data import eval_results, task_scores

from .audited import PLACES
from .page import Page
from .sample import full, least, of_text

MINUS = words.MINUS
PARTS = tuple(full()["audit"])


def _only(part: str, found: Any) -> dict[str, Any]:
    """Results of all arms whose audit has one part, without what takes long to draw."""
    results = full()
    del results["training"], results["tasks"]
    return results | {"audit": {part: found}}


def _titles(results: dict[str, Any]) -> list[str]:
    return [section.title for section in audit.sections(results)]


def test_a_whole_audit_has_every_section_in_order():
    assert _titles(full()) == [
        "Fidelity to the teacher",
        "Accuracy against fidelity",
        "Answers beside the teacher's",
        "Reasoning steps",
        "Noise ceiling",
        "Where the student can win",
        "Calibration",
        "Diversity",
    ]


def test_plain_text_has_no_answers_to_compare():
    assert _titles(of_text()) == [
        "Fidelity to the teacher",
        "Accuracy against fidelity",
        "Calibration",
    ]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_needs_no_other(part: str):
    Page(render(_only(part, full()["audit"][part])))


def _hollow(value: Any) -> Any:
    """The same part with every number missing."""
    if isinstance(value, dict):
        return {key: _hollow(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hollow(item) for item in value]
    return value if isinstance(value, str) else None


@pytest.mark.parametrize("part", [part for part in PARTS if part != "not_measured"])
def test_a_part_without_its_numbers_shows_dashes_and_draws_nothing(part: str):
    results = _only(part, _hollow(full()["audit"][part]))
    for section in audit.sections(results):
        assert section.pictures == ()
        assert not [cell for t in section.tables for row in t.rows for cell in row if "nan" in cell]
    text = Page(render(results)).text
    assert "None" not in text and "nan" not in text.split()


def test_every_text_has_its_row_and_the_curves_are_of_the_teachers():
    section = tokens.section(full())
    table = section.tables[0]
    assert [row[1] for row in table.rows[:3]] == ["teacher's", "data's", "its own"]
    assert len(table.rows) == 15
    curves = {picture.numbers.title: picture for picture in section.pictures}
    numbers = curves["KL(teacher, model) by place in the answer"].numbers
    assert [row[0] for row in numbers.rows] == list(PLACES)
    assert [c.name for c in numbers.columns][1:3] == ["SFT", "Student"]
    assert numbers.rows[0][2] == words.decimal(0.8 * 0.031)
    assert "KL(model, teacher) on its own text" in curves


def test_without_the_teachers_text_the_curves_are_of_the_data():
    results = full()
    for texts in results["audit"]["tokens"].values():
        del texts["teacher"]
    captions = [picture.caption for picture in tokens.curves(results) if picture]
    assert "on the data's text" in captions[0]


def test_the_mosaic_shows_where_both_err_alike():
    picture = answers.mosaics(full())[0]
    assert picture.numbers.rows == (
        ("Both right", "420", "84.0%"),
        ("Only Teacher right", "40", "8.0%"),
        ("Only Student right", "21", "4.2%"),
        ("Both wrong", "19", "3.8%"),
        ("Same wrong answer", "14", "2.8%"),
    )
    assert "the 14 items on which both give the same wrong answer" in picture.caption
    assert "pattern" in picture.svg


def test_a_teacher_that_is_always_right_has_a_mosaic_of_one_column():
    results = full()
    found = {"both_right": 400, "only_a": 100, "only_b": 0, "both_wrong": 0, "same_wrong": 0}
    results["audit"]["agreement"] = {"student": found}
    (picture,) = answers.mosaics(results)
    assert "pattern" not in picture.svg
    assert picture.numbers.rows[3] == ("Both wrong", "0", "0.0%")


def test_the_bars_are_deficit_and_advantage_and_their_sum():
    picture = subdomains.bars(full(), "correctness")
    assert picture.numbers.rows[1] == ("Student", "4.4", "8.2", f"{MINUS}3.8")


def test_the_prospect_and_the_masses_are_told():
    section = subdomains.section(full())
    assert "wins where it keeps that" in section.lead
    assert section.tables[0].caption == (
        "Fixed from teacher and SFT; SFS 5.6%, TFS 94.4%, of it ties 72.2% of the items."
    )
    assert section.tables[1].rows[1][:3] == ("SFT, gold answers for all", words.DASH, words.DASH)


def test_the_scatter_has_a_point_for_each_student_and_a_line_for_the_teacher():
    for kind, students in (("tokens", 5), ("answers", 5)):
        picture = scatter.scatter(full(), kind)
        assert len(picture.numbers.rows) == students
        assert "Teacher" not in {row[0] for row in picture.numbers.rows}
        assert "stroke-dasharray" in picture.svg


def test_one_point_is_no_scatter():
    results = full()
    results["audit"] = {"agreement": {"student": results["audit"]["agreement"]["student"]}}
    assert scatter.section(results) is None


def test_the_reliability_diagram_has_teacher_baseline_and_student():
    picture = calibration.diagram(full())
    assert {row[0] for row in picture.numbers.rows} == {"Teacher", "SFT", "Student"}
    assert len(picture.numbers.rows) == 30


def test_a_collapse_is_an_alarm_on_the_page():
    assert diversity.section(full()).alarm == ""
    results = _only("diversity", full()["audit"]["diversity"])
    results["audit"]["diversity"]["student"] |= {"collapse": True, "distinct_2": 0.1}
    section = diversity.section(results)
    assert section.alarm.startswith("Student writes much less varied text than its teacher")
    assert section.tables[0].rows[2][-2] == "collapse"
    assert section.alarm in " ".join(Page(render(results)).text.split())


def test_what_was_not_measured_is_said_with_its_reason():
    results = least() | {"audit": {"not_measured": ["the steps: no text holds an equation"]}}
    page = Page(render(results))
    assert "the steps: no text holds an equation" in page.text
    assert "not-measured" in page.values("id")


def test_tasks_show_every_figure_and_their_tests():
    results = least() | {"tasks": full()["tasks"]}
    results["models"]["sft"] = full()["models"]["sft"]
    text = " ".join(Page(render(results)).text.split())
    for shown in ("38.0%", "gsm8k, flexible", "0.534", "Holm over 2", "+7.0 points", "180 / 88"):
        assert shown in text, shown


def test_what_is_no_share_is_not_written_as_one():
    """An open task has a length and no score; figures of the harness can have any name and size."""
    results = least()
    length = {"value": 39.7, "low": 14.3, "high": 55.8, "n": 6}
    results["tasks"] = {
        "open": {"n": 6, "main": "mean_length", "kind": "open", "metrics": {"student": {"mean_length": length}}},
        "bleu": {"n": 6, "main": "odd", "metrics": {"student": {"odd": length | {"value": 27.1}}}},
    }  # fmt: skip
    text = " ".join(Page(render(results)).text.split())
    assert "open, characters" in text and "39.7" in text and "27.1" in text
    assert "3970" not in text and "2710" not in text
    assert [r.dataset_name for r in eval_results(results)][-1] == "bleu"
    assert [row[0] for row in task_scores(results)] == ["bleu"]
    assert task_scores(results)[0][2] == "27.100"


def test_a_figure_that_only_repeats_the_accuracy_is_shown_once():
    results = least()
    score = {"value": 0.5, "low": 0.2, "high": 0.8, "n": 6}
    metrics = {"student": {"accuracy": score, "number": score}}
    results["tasks"] = {"sums": {"n": 6, "main": "number", "metrics": metrics}}
    rows = tasks.section(results).tables[0].rows
    assert [row[0] for row in rows] == ["sums"]
