"""The page in a real browser: it draws, it filters without a script, and it stays by itself."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from limbeck.reports import write_report
from limbeck.reports.browser import browser

from .audited import items
from .chromium import CHROMIUM, DESK, PAPER, PHONE, Chromium
from .sample import full
from .test_browser import ATTACK

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

HOSTILE = {
    "id": ATTACK,
    "prompt": ATTACK,
    "answer": ATTACK,
    "outputs": {"teacher": {"text": ATTACK, "correct": True}, "student": {"text": ATTACK}},
}
SEEN = "[...document.querySelectorAll('.item')].filter(e => e.checkVisibility())"
WIDER = (
    "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, pre, svg, .hidden')"
    " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(full(), path, [HOSTILE, *items(150)])
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    driven = Chromium(tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


@pytest.fixture
def shown(chromium: Chromium, page: Path) -> Chromium:
    chromium.look(DESK)
    chromium.open(page)
    return chromium


def test_nothing_is_complained_of_and_nothing_asked_for(shown: Chromium, page: Path):
    assert shown.value("document.title") == "chain-arithmetic · Limbeck report"
    assert shown.complaints() == []
    assert shown.requests() == [page.resolve().as_uri()]


def test_the_browser_would_tell_of_a_request(chromium: Chromium, tmp_path: Path):
    """The test above can fail: the same watch on a page that does ask and complain."""
    other = tmp_path / "other.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    other.write_text(f"{policy}<img src='https://example.invalid/x'><script>1</script>")
    chromium.open(other)
    assert chromium.complaints()
    other.write_text("<img src='y.png'>")
    chromium.open(other)
    assert len(chromium.requests()) == 2


def test_every_figure_is_drawn(shown: Chromium):
    sizes = shown.value(
        "[...document.querySelectorAll('figure svg')].map(e => { const b = e.getBBox();"
        "return [b.width, b.height, e.getBoundingClientRect().width] })"
    )
    assert len(sizes) == 20
    assert all(min(size) > 50 for size in sizes)


def test_a_filter_shows_its_items_and_no_others(shown: Chromium):
    found = browser(full(), [HOSTILE, *items(150)])
    assert shown.value(f"{SEEN}.length") == len(found.entries) == 151
    for kind in found.filters[1:]:
        shown.click(f"label[for=kind-{kind.key}]")
        assert shown.value("document.querySelector(':checked').id") == f"kind-{kind.key}"
        numbers = [
            int(n) for n in shown.value(f"{SEEN}.map(e => e.querySelector('.number').innerText)")
        ]
        expected = [e["number"] for e in found.entries if kind.key in e["kinds"]]
        assert numbers == expected and len(numbers) == kind.shown > 0
    shown.click("label[for=kind-all]")
    assert shown.value(f"{SEEN}.length") == 151


def test_the_keyboard_filters_and_opens(shown: Chromium):
    shown.value("document.getElementById('kind-all').focus()")
    shown.press("ArrowRight", 39)
    assert shown.value("document.querySelector(':checked').id") == "kind-lost"
    assert shown.value(f"{SEEN}.length") < 151
    shown.press("Tab", 9)
    assert shown.value("document.activeElement.matches('.item.is-lost > summary')")
    shown.ask("Input.dispatchKeyEvent", type="char", text="\r")
    assert shown.value("document.querySelectorAll('.item[open]').length") == 1


def test_an_opened_item_shows_prompt_answer_and_every_output(shown: Chromium):
    shown.click(".item.is-won > summary")
    text = shown.value("document.querySelector('.item[open]').innerText")
    for said in ("Right answer", "Teacher ✗ wrong", "SFT", "Student ✓ right", "#"):
        assert said in text, said


def test_what_a_model_wrote_moves_nothing(shown: Chromium):
    assert shown.value("document.querySelectorAll('script, img').length") == 0
    assert shown.value("document.querySelectorAll('.items > .item').length") == 151
    assert shown.value("getComputedStyle(document.querySelector('.item')).display") != "none"
    assert "<script>alert(1)</script>" in shown.value("document.body.textContent")


@pytest.mark.parametrize("size", [DESK, PHONE, PAPER], ids=["desk", "phone", "paper"])
def test_nothing_is_wider_than_the_window(chromium: Chromium, page: Path, size: tuple[int, int]):
    chromium.look(size)
    chromium.open(page)
    chromium.value("for (const e of document.querySelectorAll('.item.is-won')) e.open = true")
    assert chromium.value(WIDER) == []
    assert chromium.value("document.documentElement.scrollWidth") <= size[0]


def _luminance(colour: str) -> float:
    parts = [float(x) / 255 for x in colour.split("(")[1].split(")")[0].split(",")[:3]]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(chromium: Chromium, page: Path, dark: bool):
    chromium.look(DESK, dark)
    chromium.open(page)
    back = _luminance(chromium.value("getComputedStyle(document.body).backgroundColor"))
    assert (back < 0.1) == dark
    for selector in ("body", ".lead", "figcaption", "figure svg text", ".item .mark", "nav a"):
        colour = chromium.value(f"getComputedStyle(document.querySelector('{selector}')).color")
        light, deep = sorted((back, _luminance(colour)), reverse=True)
        assert (light + 0.05) / (deep + 0.05) > 4.5, selector


def test_on_paper_stand_the_chosen_items_and_the_texts_of_the_opened(shown: Chromium):
    shown.click("label[for=kind-won]")
    shown.click(".item.is-won > summary")
    shown.look(PAPER, media="print")
    assert shown.value("document.querySelector('.item[open] pre').checkVisibility()")
    closed = "document.querySelector('.item.is-won:not([open]) pre')"
    assert not shown.value(f"{closed}.checkVisibility({{contentVisibilityAuto: true}})")
    assert shown.value(f"{SEEN}.length") < 151
    labels = "[...document.querySelectorAll('.browser > label')].filter(e => e.checkVisibility())"
    assert shown.value(f"{labels}.length") == 1
    assert shown.pdf().startswith(b"%PDF")
    shown.look(DESK)


def test_a_screenshot_is_of_the_window(shown: Chromium):
    png = shown.screenshot()
    assert struct.unpack(">II", png[16:24]) == DESK
    assert len(png) > 30_000  # an empty page is much smaller
