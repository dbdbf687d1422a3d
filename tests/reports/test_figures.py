"""Figures must be small, well-formed, at home in light and dark, and never without numbers."""

from xml.etree import ElementTree

import matplotlib
import pytest

from limbeck.reports import audit, figures
from limbeck.reports.curves import training_curves
from limbeck.reports.facts import METRICS
from limbeck.reports.svg import INK

from .sample import full, least

ACCURACY, BITS = METRICS


def _all() -> list[figures.Picture]:
    results = full()
    return [
        figures.scores(results, ACCURACY),
        figures.scores(results, BITS),
        figures.paired_outcomes(results, ACCURACY),
        *training_curves(results),
        *(picture for section in audit.sections(results) for picture in section.pictures),
    ]


@pytest.fixture(scope="module")
def pictures() -> list[figures.Picture]:
    """Every figure of a full report, and the settings of the process left alone by drawing them."""
    before = dict(matplotlib.rcParams)
    drawn = _all()
    assert dict(matplotlib.rcParams) == before
    return drawn


def test_a_figure_is_small_well_formed_and_described(pictures: list[figures.Picture]):
    assert len(pictures) == 8 + 5 + 2 + 2 + 2 + 1 + 1
    for picture in pictures:
        root = ElementTree.fromstring(picture.svg)
        assert len(picture.svg) < 120_000
        assert root.find("title").text == picture.numbers.title
        assert root.find("desc").text
        assert root.get("viewBox") and root.get("width") is None
        assert picture.numbers.rows


def test_a_figure_takes_colour_and_font_from_the_page(pictures: list[figures.Picture]):
    for picture in pictures:
        assert INK not in picture.svg
        assert "font-family" not in picture.svg and "font:" not in picture.svg
        texts = ElementTree.fromstring(picture.svg).findall(".//text")
        assert texts  # letters stay letters: selectable, searchable
        assert all("currentColor" in text.get("style", "") for text in texts)
        assert "#ffffff" not in picture.svg  # no background


def test_paired_outcomes_add_up_to_all_items():
    picture = figures.paired_outcomes(full(), ACCURACY)
    assert [int(row[1]) for row in picture.numbers.rows] == [83, 358, 8, 51]


def test_paired_outcomes_of_different_items_are_not_drawn():
    results = full()
    results["comparisons"][0]["n"] = 400
    assert figures.paired_outcomes(results, ACCURACY) is None


def test_what_was_not_measured_is_not_drawn():
    results = least()
    assert audit.sections(results) == []
    assert training_curves(results) == []
    assert figures.paired_outcomes(results, ACCURACY) is None


def test_an_interval_down_to_zero_fits_a_logarithmic_scale():
    results = full()
    results["evaluation"]["metrics"]["student"]["bits_per_byte"]["low"] = 0.0
    ElementTree.fromstring(figures.scores(results, BITS).svg)


def test_long_curves_are_thinned_and_end_where_training_ended():
    results = full()
    results["training"] = {
        "student": {"curve": [{"step": s, "loss": 9 / s} for s in range(1, 20_001)]}
    }
    (picture,) = training_curves(results)
    assert len(picture.svg) < 60_000
    assert picture.numbers.rows[-1][0] == "20,000"
    assert len(picture.numbers.rows) <= 11


def test_a_loss_that_blew_up_does_not_stop_the_report():
    results = full()
    curve = results["training"]["student"]["curve"]
    curve[50]["loss"], curve[51]["forward_kl"] = float("nan"), float("inf")
    assert len(training_curves(results)) == 5
