"""The items of a page: the right ones, in a fair mix, harmless whatever a model wrote."""

from pathlib import Path
from typing import Any

import pytest

from limbeck.reports import browser as module
from limbeck.reports import render, write_report
from limbeck.reports.browser import browser
from limbeck.reports.hostile import MOST, cut, start, visible

from .audited import items
from .page import Page
from .sample import full, least, short


def _item(number: int, **right: bool | None) -> dict[str, Any]:
    """An item whose arms are right or wrong as said, each wrong one in its own way."""
    return {
        "id": str(number),
        "prompt": f"question {number}",
        "answer": "7",
        "outputs": {
            arm: {
                "text": f"{arm} says",
                "correct": correct,
                "extracted": "7" if correct else f"{arm} {number}",
                "finished": True,
            }
            for arm, correct in right.items()
        },
    }


def _kinds(*found: dict[str, Any]) -> dict[str, int]:
    return {kind.key: kind.total for kind in browser(full(), found).filters}


def test_each_kind_holds_what_its_name_says():
    lost = _item(1, teacher=True, sft=True, student=False)
    won = _item(2, teacher=False, sft=False, student=True)
    assert _kinds(lost) == {"all": 1, "lost": 1, "forgotten": 1}
    assert _kinds(won) == {"all": 1, "won": 1, "gained": 1}
    assert _kinds(lost, won, lost)["lost"] == 2
    assert _kinds(_item(3, teacher=None, sft=None, student=None)) == {"all": 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jaccard": 0.29}, {"unfaithful"}),
        ({"jaccard": 0.3}, set()),
        ({"jaccard": None}, set()),
        ({"jaccard": float("nan")}, set()),
        ({"jaccard": 0.1, "correct": False}, {"lost", "forgotten"}),
        ({"finished": False}, {"cut"}),
        ({"extracted": None, "correct": False}, {"lost", "forgotten", "silent"}),
        ({"extracted": None, "correct": None}, set()),
    ],
)
def test_the_student_decides_the_other_kinds(changes: dict[str, Any], expected: set[str]):
    item = _item(1, teacher=True, sft=True, student=True)
    item["outputs"]["student"] |= changes
    assert set(_kinds(item)) - {"all"} == expected


def test_the_same_wrong_answer_is_one_that_both_gave():
    item = _item(1, teacher=False, student=False)
    assert "alike" not in _kinds(item)
    for output in item["outputs"].values():
        output["extracted"] = "8"
    assert _kinds(item)["alike"] == 1
    for output in item["outputs"].values():
        output["extracted"] = None
    assert "alike" not in _kinds(item)


def test_a_kind_without_items_is_left_out_of_the_page():
    page = Page(render(short(), [_item(1, teacher=True, sft=True, student=True)]))
    assert page.values("name").count("kind") == 1
    assert "wrong" not in [value.removeprefix("kind-") for value in page.values("for")]


def test_those_on_which_models_differ_come_first():
    same, won = (_item(n, teacher=r, sft=r, student=True) for n, r in ((1, True), (2, False)))
    lost = _item(3, teacher=True, sft=False, student=False)
    found = browser(full(), [same, won, lost])
    assert [entry["id"] for entry in found.entries] == ["3", "2", "1"]


def test_a_common_kind_leaves_room_for_a_rare_one():
    many = [_item(n, teacher=True, sft=False, student=False) for n in range(5_000)]
    rare = _item(5_000, teacher=False, sft=False, student=True)
    found = browser(full(), [*many, rare])
    assert len(found.entries) == module.MOST_ITEMS and found.left_out == 5_001 - module.MOST_ITEMS
    counts = {kind.key: kind.count for kind in found.filters}
    assert counts["won"] == "1"
    assert counts["lost"] == "399 of 5,000"
    assert "400 are on this page" in " ".join(Page(render(short(), [*many, rare])).text.split())


@pytest.mark.parametrize("text", ["x", "<", "\N{GRINNING FACE}"], ids=["plain", "escaped", "wide"])
def test_long_texts_are_cut_and_fill_no_more_than_their_share(text: str):
    item = _item(1, teacher=True, sft=True, student=False)
    for output in item["outputs"].values():
        output["text"] = text * 1_000_000
    html = render(short(), [item] * 300)
    assert len(html.encode()) < module.MOST_BYTES + 1_000_000
    assert "996,000 more characters are not shown" in html
    assert "not shown. All are in" in html


def test_no_items_no_browser():
    assert browser(full(), ()) is None
    assert "items" not in Page(render(least())).values("id")


def test_an_item_may_lack_everything_but_its_prompt():
    found: list[dict[str, Any]] = [
        {"prompt": "alone"},
        {"prompt": None, "outputs": None},
        {"prompt": "x", "outputs": {"student": None, "stranger": {"text": None}}},
    ]
    text = Page(render(short(), found)).text
    assert "alone" in text and "stranger" in text and "None" not in text


ATTACK = (
    "</pre></details></section><script>alert(1)</script><img src=x onerror=alert(1)>"
    "<style>.item{display:none}</style><a href='//x'>\"'{{ 7*7 }}<!--\x00\x1b[31m\u202etxet\ud83d"
)


def test_what_a_model_wrote_stays_text(tmp_path: Path):
    item = {
        "id": ATTACK,
        "prompt": ATTACK,
        "answer": ATTACK,
        "outputs": {
            "student": {"text": ATTACK, "correct": True, "extracted": ATTACK},
            ATTACK: {"text": ATTACK},
        },
    }
    path = tmp_path / "report.html"
    write_report(short(), path, [item])
    html = path.read_bytes().decode("utf-8")
    page = Page(html)
    assert not {"script", "img"} & set(page.tags)
    harmless = Page(render(short(), [_item(1, student=True)]))
    assert page.tags.count("style") == harmless.tags.count("style")
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "49" not in page.text.split("Right answer")[1].split("Doctor")[0]
    assert not {"\x00", "\x1b", "\u202e"} & set(html)
    assert "\u2400\u241b[31m\\u202etxet\\ud83d" in page.text


def test_control_characters_are_seen_and_lines_stay():
    assert visible("a\r\nb\n\tc\rd\x7f\x9b") == "a\nb\n\tc\u240dd\u2421\\x9b"
    assert visible(visible(ATTACK)) == visible(ATTACK)
    assert visible("שלום \u200f مرحبا") == "שלום \u200f مرحبا"


def test_a_cut_text_says_how_much_is_missing():
    assert cut("x" * MOST) == ("x" * MOST, 0)
    assert cut("x" * (MOST + 5)) == ("x" * MOST, 5)
    assert start("  two\n\nlines ") == "two lines"
    assert len(start("y" * 1_000_000)) < 200


def test_the_sample_has_every_kind():
    """What the test in a browser clicks on."""
    kinds = [kind.key for kind in browser(full(), items()).filters]
    expected = ["all", "lost", "won", "gained", "forgotten", "unfaithful", "alike", "cut", "silent"]
    assert kinds == expected
