"""The terminal report must be readable in 80 columns and in a pipe."""

import io

import pytest
from rich.console import Console

from limbeck.reports import print_report, verdict

from .sample import full, least, of_text


def _printed(results: dict, width: int = 80) -> str:
    out = io.StringIO()
    print_report(results, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("results", [full(), least(), of_text()], ids=["full", "least", "text"])
def test_it_fits_and_ends_with_the_verdict(results: dict):
    text = _printed(results)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "…" not in text  # no number was cut
    assert " ".join(text.split()).endswith(verdict(results))


def test_numbers_stand_whole():
    text = _printed(full())
    for number in ("85.1 to 90.7%", "+65.8 to +74.2", "p < 0.001", "14,630"):
        assert number in text


def test_what_only_the_page_shows_is_named():
    text = " ".join(_printed(full()).split())
    assert "In the report besides:" in text and "calibration" in text and "training" in text
    assert "Too sure by" not in text


def test_names_are_not_markup():
    results = full()
    results["models"]["sft"]["label"] = "[red]SFT[/nonsense]"
    assert "[red]SFT" in _printed(results)
