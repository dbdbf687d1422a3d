"""The record of rounds: what the student gained, which errors were left, what was rewritten."""

import io
import itertools
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from limbeck.reports import print_report, render, round_figures, rounds, words
from limbeck.reports.svg import INK

from .page import Page
from .sample import full, least, short
from .tutored import CLIPS, tutored

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</pre></details>{{ 7*7 }}"
KEYS = ("tags", "rationales", "asked", "rationale_tokens", "examples", "round")


def _student(results: dict[str, Any]) -> dict[str, Any]:
    return results["training"]["student"]


def _without(key: str) -> dict[str, Any]:
    results = tutored()
    for this in _student(results)["rounds"]:
        this.pop(key, None)
    return results


def _one_round() -> dict[str, Any]:
    results = tutored()
    _student(results).update(rounds=_student(results)["rounds"][:1], kept_round=0)
    for arm in [a for a in results["training"] if a.startswith("control_")]:
        del results["training"][arm]
    return results


def _sparse() -> dict[str, Any]:
    """Only the accuracy of each round is known, and of one not even that."""
    results = tutored()
    values: list[dict[str, Any] | None] = [
        {"value": 0.4},
        None,
        {"value": float("nan")},
        {"value": 0.5},
    ]
    training = {"rounds": [{"selection": v} for v in values]}
    return results | {"training": {"student": training}}


def _text(results: dict[str, Any]) -> str:
    return " ".join(Page(render(results)).text.split())


def test_the_page_shows_every_round():
    """What a reader decides by is there: score, source of the rationales, cost, why it ended."""
    text = _text(tutored())
    for shown in (
        "Round 2 was kept",
        "It stopped after round 3: no gain.",
        "1,435 answers in all, for 5,990,980 tokens of prompts and 153,806 of its own; "
        "by the recipe's prices they cost 1.8187.",
        "2, kept 52.0% 45.4 to 58.8% 255 14 17 0 14 90.7 360 2,020,104 40,104 0.5763",
        "right answers went from 40.0% to 65.0%; missing step fell most, from 20.0% to 5.0%",
        "48 / 2 = 26, and 48 + 26 = 74.",
        "The student had written",
    ):
        assert shown in text, shown


def test_the_kept_rounds_examples_lie_open():
    page = Page(render(tutored()))
    opened = [value for tag, name, value in page.attributes if tag == "details" and name == "open"]
    assert len(opened) == 1
    shown = rounds.examples(tutored())
    assert [(r["round"], r["open"]) for r in shown] == [(1, False), (2, True), (3, False)]
    assert shown[1]["examples"][1] == CLIPS | {"tag_name": "arithmetic"}


def test_examples_of_the_last_round_lie_open_where_the_kept_one_has_none():
    results = tutored()
    _student(results)["kept_round"] = 0
    assert [r["open"] for r in rounds.examples(results)] == [False, False, True]


@pytest.mark.parametrize("results", [short(), least()], ids=["short", "least"])
def test_a_run_without_rounds_has_no_section(results: dict[str, Any]):
    assert rounds.table(results) is None
    assert round_figures.accuracy(results) is None and round_figures.errors(results) is None
    assert "Rounds" not in _text(results)


def test_stages_that_were_not_examined_are_no_rounds():
    """Other methods list rounds as well, with other keys."""
    results = full()
    _student(results)["rounds"] = [{"round": 0, "validation_nats_per_token": 0.4}]
    assert rounds.table(results) is None


@pytest.mark.parametrize("key", KEYS)
def test_any_part_of_a_round_may_be_missing(key: str):
    results = _without(key)
    text = _text(results)
    assert "None" not in text
    assert "2, kept" in text  # and a round without a number is known by its place
    found = rounds.table(results)
    assert found is not None and len({len(row) for row in (*found.rows, found.columns)}) == 1


@pytest.mark.parametrize("missing", ["question", "answer", "attempt", "tag", "old", "new"])
def test_any_part_of_an_example_may_be_missing(missing: str):
    results = tutored()
    for this in _student(results)["rounds"]:
        this["examples"] = [
            {k: v for k, v in e.items() if k != missing} for e in this.get("examples", ())
        ]
    assert "None" not in _text(results)


def test_one_round_and_no_control():
    text = _text(_one_round())
    assert "0, kept" in text and "What the teacher rewrote" not in text
    assert "Points of one round" not in text


def test_scores_that_are_not_known_are_no_rounds():
    results = _sparse()
    found = rounds.table(results)
    assert found is not None
    assert [column.name for column in found.columns] == ["Round", "Accuracy"]
    assert found.rows == (("0", "40.0%"), ("3", "50.0%"))
    assert "nan" not in _text(results).split()


def test_without_prices_there_is_no_money():
    results = tutored()
    for this in _student(results)["rounds"]:
        del this["asked"]["money"]
    text = _text(results)
    assert "Money" not in text and "cost 0" not in text
    assert "1,435 answers" in text


def test_what_models_wrote_stays_text():
    results = tutored()
    for this in _student(results)["rounds"]:
        this["examples"] = [dict.fromkeys(CLIPS, ATTACK)]
        this["tags"] |= {f"{ATTACK} $x$": 1}
    _student(results)["stopped"] = ATTACK
    html = render(results)
    page = Page(html)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name in page.attributes if name[1].startswith("on")]
    rewritten = page.text.split("What the teacher rewrote", 1)[1].split("Samples")[0]
    assert rewritten.count(ATTACK) == 4 * 6 and "49" not in rewritten
    assert page.text.count(ATTACK) > 4 * 6  # in the legend cut short, in its numbers whole
    assert "default-src 'none'; style-src 'unsafe-inline'\"" in html


@pytest.mark.parametrize(
    "results",
    [tutored(), _one_round(), _sparse(), _without("tags")],
    ids=["all", "one", "few", "-"],
)
def test_the_drawings_are_small_and_at_home_on_the_page(results: dict[str, Any]):
    drawn = [round_figures.accuracy(results), round_figures.errors(results)]
    for picture in filter(None, drawn):
        root = ElementTree.fromstring(picture.svg)
        assert len(picture.svg) < 120_000
        assert INK not in picture.svg and "#ffffff" not in picture.svg
        assert all("currentColor" in text.get("style", "") for text in root.findall(".//text"))
        assert picture.numbers.rows
    page = Page(render(results))
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def _bars(svg: str) -> list[list[tuple[float, float]]]:
    """For each round the tops and bottoms of its bars, from the top; empty ones are left out."""
    found: dict[float, list[tuple[float, float]]] = {}
    for path in ElementTree.fromstring(svg).iter("path"):
        shape = path.get("d", "").strip()
        if "clip-path" in path.attrib and shape.endswith("z"):
            x, *_ = numbers = [float(number) for number in re.findall(r"[\d.]+", shape)]
            if max(numbers[1::2]) > min(numbers[1::2]):
                found.setdefault(x, []).append((min(numbers[1::2]), max(numbers[1::2])))
    return [sorted(bars) for bars in found.values()]


def test_the_bars_show_each_round_whole():
    """Shares stand on one another without overlap and add up to one, in the table as well."""
    picture = round_figures.errors(tutored())
    assert picture is not None
    stacks = _bars(picture.svg)
    assert [len(stack) for stack in stacks] == [6, 6, 5, 4]  # of the tags that occur
    for stack in stacks:
        whole = stack[-1][1] - stack[0][0]
        gaps = [below[0] - above[1] for above, below in itertools.pairwise(stack)]
        assert all(0 < gap < 0.01 * whole for gap in gaps)
        assert stack[-1][1] - stack[-1][0] == max(bottom - top for top, bottom in stack)
    for column in range(1, 5):
        shown = [float(row[column].split("(")[1].rstrip("%)")) for row in picture.numbers.rows]
        assert sum(shown) == pytest.approx(100, abs=0.3)
    assert picture.numbers.rows[-1][:2] == ("right", "8 (40.0%)")
    fills = [line for line in picture.svg.split("fill: ") if line.startswith("#e69f00")]
    assert len(fills) == 4 + 1  # a tag keeps its colour: four bars and the legend


def test_the_controls_are_drawn_beside_the_student():
    picture = round_figures.accuracy(tutored())
    assert picture is not None
    names = [row[0] for row in picture.numbers.rows]
    assert names[:4] == ["Student"] * 4
    assert names[4::3] == [
        "Resampled, no feedback", "Rewritten without the errors", "Shuffled feedback"
    ]  # fmt: skip
    assert "kept" in picture.svg and "The ring" in picture.caption


def test_many_rounds_stay_readable():
    results = tutored()
    this = _student(results)["rounds"][0]
    _student(results)["rounds"] = [this | {"round": n} for n in range(41)]
    _student(results)["kept_round"] = 33
    picture = round_figures.errors(results)
    assert picture is not None
    texts = [t.text for t in ElementTree.fromstring(picture.svg).iter("text")]
    numbers = [int(t) for t in texts if t and t.isdigit()]
    assert 33 in numbers and len(numbers) <= round_figures.MOST_NAMES + 1


def test_the_terminal_has_the_table():
    out = io.StringIO()
    print_report(tutored(), Console(file=out, width=80))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    row = next(line for line in text.splitlines() if "2, kept" in line)
    assert row.split() == [
        "2,", "kept", "52.0%", "45.4", "to", "58.8%", "255", "17", "2,020,104", "0.5763"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "shown"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_parts_are_listed(parts: list[str], shown: str):
    assert words.listed(parts) == shown
