"""The page of a study: whole, inert, and each figure with its data."""

import base64
import csv
import functools
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from tests.reports.page import Page
from tests.reports.test_html import ATTACK

from limbeck.reports.study import render_study, write_study_report
from limbeck.reports.svg import INK

from .sample import METHODS, columns, study, table, temperatures


@functools.cache
def _page(name: str) -> str:
    return render_study(study(), table()) if name == "grid" else render_study(*temperatures())


def _downloads(html: str) -> dict[str, list[dict[str, str]]]:
    """The rows of each file that the page holds."""
    page, found = Page(html), {}
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    files = [link for link in links if link.startswith("data:")]
    for name, link in zip(page.values("download"), files, strict=True):
        kind, _, coded = link.partition(",")
        assert kind == "data:text/csv;charset=utf-8;base64"
        found[name] = list(csv.DictReader(io.StringIO(base64.b64decode(coded).decode())))
    return found


def _figures(html: str) -> list[str]:
    return ["<svg" + piece.split("</svg>")[0] + "</svg>" for piece in html.split("<svg")[1:]]


@pytest.mark.parametrize("name", ["grid", "temperatures"])
def test_the_page_is_whole_and_loads_nothing(name: str):
    html = _page(name)
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "image"} & set(
        page.tags
    )
    for tag, attribute, value in page.attributes:
        assert not attribute.startswith("on"), (tag, attribute)
        if attribute in ("src", "href", "srcset", "data", "action"):
            assert value.startswith(("#", "data:text/csv;")), (tag, attribute, value[:60])
    assert "default-src 'none'; style-src 'unsafe-inline'\"" in html
    assert "@import" not in html and "url(h" not in html
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for reference in page.values("href"):
        assert reference.startswith("data:") or reference[1:] in ids
    for references in page.values("aria-labelledby"):
        assert set(references.split()) <= set(ids)


def test_every_figure_has_its_data_and_its_numbers():
    html = _page("grid")
    drawn, files = html.count("<figure>"), _downloads(html)
    assert drawn == 1 + 1 + 2 + 2 + len(METHODS) + 2 == len(_figures(html))
    assert len(files) == drawn + 1  # the leaderboard's own
    assert all(files.values())
    for figure in _figures(html):
        ElementTree.fromstring(figure)
        assert len(figure) < 60_000 and INK not in figure and "font-family" not in figure


def test_the_data_are_those_that_were_measured():
    values, files = table(), _downloads(_page("grid"))
    blocks = files["ranks.csv"]
    assert len(blocks) == len(values["run"]) // 3
    one = blocks[0]
    scores = [
        score
        for i, score in enumerate(values["score"])
        if all(values[k][i] == one[k] for k in ("student", "teacher", "task", "method"))
    ]
    assert float(one["score"]) == pytest.approx(sum(scores) / 3, abs=1e-12)
    assert [row["claim"] for row in files["hypotheses.csv"]] == [
        found["claim"] for found in study()["hypotheses"]
    ]
    gaps = {float(row["capacity_gap"]) for row in files["gain-against-capacity-gap.csv"]}
    assert len(gaps) == 6 and min(gaps) == pytest.approx(33 / 16.4)


def test_claims_stand_first_with_state_sign_effect_and_what_would_decide():
    text = " ".join(Page(_page("grid")).text.split())
    for said in (
        "Of 5 hypotheses, 3 are supported, 1 is refuted and 1 is undecided.",
        "✓ supported",
        "✗ refuted",
        "? undecided",
        "+1.2 points",
        "+0.3 to +2.1",
        "p = 0.0095, Holm",
        "\N{MINUS SIGN}0.61 rank correlation",
        "About 1,240 pairs would decide it with 80% power",
        "Cells share baselines",
    ):
        assert (
            said.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}") in text or said in text
        ), said
    headings = [text.index(name) for name in ("Written in the study file", "Methods over the same")]
    assert headings == sorted(headings)


def test_a_study_without_hypotheses_says_so():
    text = Page(render_study(study(hypotheses=[]), table())).text
    assert "No hypothesis was declared." in text and "question for the next study" in text


def test_an_axis_of_numbers_has_a_curve_of_all_its_values():
    html = _page("temperatures")
    rows = _downloads(html)["score-over-method-temperature.csv"]
    assert {row["method"] for row in rows} == {"kd", "revkd", "SFT", "teacher"}
    heats = [float(row["method.temperature"]) for row in rows if row["method"] == "kd"]
    assert heats == [1.0, 2.0, 5.0]
    _, values = temperatures()
    for row in rows[:3]:
        here = [
            score
            for score, method, heat in zip(
                values["score"], values["method"], values["method.temperature"], strict=True
            )
            if method == "kd" and float(heat) == float(row["method.temperature"])
        ]
        assert float(row["score"]) == pytest.approx(sum(here) / len(here))
        assert float(row["score_low"]) < float(row["score"]) < float(row["score_high"])


def test_a_curve_is_of_the_same_cells_at_each_value():
    """A hard cell that was tried at one temperature only would bend the curve there."""
    found, values = temperatures()
    extra = {name: [column[0]] for name, column in values.items()}
    extra |= {"student": ["hard-1m"], "score": [0.0], "run": ["extra"]}
    more = {name: [*column, *extra[name]] for name, column in values.items()}
    file = "score-over-method-temperature.csv"
    assert _downloads(render_study(found, more))[file] == _downloads(_page("temperatures"))[file]


def test_failures_are_shown_with_their_last_words():
    text = Page(_page("temperatures")).text
    assert "method=kd, method.temperature=9.0" in text
    assert "RequestError: the loss is not finite" in text and "1 more failed" in text
    assert "Failures" not in Page(_page("grid")).text


def test_the_study_can_be_done_again():
    text = Page(_page("grid")).text
    assert "limbeck study examples/study.yaml" in text
    start = text.index("base: quickstart.yaml")
    again = yaml.safe_load(text[start : text.index("Written by Limbeck")])
    assert again == yaml.safe_load(study()["study_file"])


COLUMNS = {
    "student_parameters": {"Gain against student size", "Gain against the capacity gap"},
    "teacher_parameters": {"Gain against the capacity gap"},
    "agreement": {"Accuracy against agreement"},
    "fidelity_top1": {"Accuracy against fidelity"},
    "train_seconds": {"Cost against quality"},
    "improvement": {
        *("Gain against student size", "Gain against the capacity gap"),
        *(f"Gain of {method}" for method in METHODS),
    },
}


def _titles(html: str) -> set[str]:
    return {piece.split("</h3>")[0] for piece in html.split("<figure>\n<h3>")[1:]}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_figure_without_its_column_is_left_out_and_no_other(column: str):
    values = table()
    if column.endswith("parameters"):
        del values[column]
    else:
        values[column] = [None] * len(values["run"])
    assert _titles(_page("grid")) - _titles(render_study(study(), values)) == COLUMNS[column]


def test_the_least_table_makes_a_page():
    rows = [{"run": "r", "cell": "c", "seed": 0, "task": "t", "method": "kd", "score": 0.5}]
    html = render_study({"name": "least"}, columns(rows))
    assert "50.0%" in Page(html).text and "<figure>" not in html
    assert "least" in Page(render_study({"name": "least"}, {})).text


def test_one_method_and_one_seed_make_a_page_without_ranks():
    values = table()
    kept = [
        i
        for i in range(len(values["run"]))
        if values["method"][i] == "kd" and not values["seed"][i]
    ]
    html = render_study(study(), {k: [v[i] for i in kept] for k, v in values.items()})
    assert "Which methods differ" not in html and "Gain against student size" in html


def test_names_and_errors_move_nothing():
    values: dict[str, list[Any]] = table()
    for column, old in (("method", "kd"), ("student", "tiny-1m"), ("teacher", "teacher-33m")):
        values[column] = [ATTACK if value == old else value for value in values[column]]
    values["task"] = [ATTACK + "\ud83d" if task == "sorting" else task for task in values["task"]]
    found = study(
        name=ATTACK,
        command=ATTACK,
        study_file=ATTACK,
        failed=[{"run": ATTACK, "cell": ATTACK, "seed": 0, "error": ATTACK}],
    )
    found["hypotheses"][0] |= {"claim": ATTACK, "words": ATTACK, "note": ATTACK, "unit": ATTACK}
    html = render_study(found, values)
    page = Page(html)
    assert "script" not in page.tags and "img" not in page.tags
    assert "{{ 7*7 }}" in page.text and "49}" not in page.text
    html.encode()
    assert any(row["method"] == ATTACK for row in _downloads(html)["ranks.csv"])


def test_the_page_is_written_whole(tmp_path: Path):
    path = tmp_path / "report.html"
    write_study_report(study(), table(), path)
    assert path.read_text(encoding="utf-8") == _page("grid")


def test_losses_in_bits_are_written_as_bits():
    values = table()
    values["metric"] = ["bits_per_byte"] * len(values["run"])
    text = Page(render_study(study(), values)).text
    assert "gain over SFT, bits per byte" in text and "Bits per byte against agreement" in text
    assert "+0.012 bits per byte" in text
