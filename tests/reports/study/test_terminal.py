"""The short form must be readable in 80 columns and in a pipe."""

import io

import pytest
from rich.console import Console

from limbeck.reports.study import print_study

from .sample import study, table, temperatures


def _printed(found: dict, values: dict, width: int = 80) -> str:
    out = io.StringIO()
    print_study(found, values, Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize(
    ("found", "values"),
    [(study(), table()), temperatures(), ({"name": "least"}, {})],
    ids=["grid", "temperatures", "least"],
)
def test_it_fits_and_nothing_is_cut(found: dict, values: dict):
    text = _printed(found, values)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text and "…" not in text


def test_claims_and_leaderboard_are_there_whole():
    text = " ".join(_printed(study(), table()).split())
    for said in (
        "✓ supported 1. kd improves on SFT +1.2 points",
        "✗ refuted 4.",
        "? undecided 3.",
        "p = 0.0042",
        "About 1,240 pairs",
        "distillm2",
        "SFT, the baseline",
        "Of 5 hypotheses, 3 are supported",
    ):
        assert said in text, said
    assert "failed: method=kd, method.temperature=9.0, seed 0" in _printed(*temperatures())


def test_names_are_not_markup():
    found = study()
    found["hypotheses"][0]["claim"] = "[red]kd[/nonsense] improves"
    values = table()
    values["method"] = [f"[red]{name}" for name in values["method"]]
    text = _printed(found, values)
    assert "[red]kd[/nonsense] improves" in text and "[red]distillm2" in text
