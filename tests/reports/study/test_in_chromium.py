"""The page in a real browser: it draws, it stays by itself, and its files can be kept."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reports.chromium import CHROMIUM, DESK, PAPER, PATIENCE, PHONE, Chromium
from tests.reports.test_in_chromium import WIDER, _luminance

from limbeck.reports.study import write_study_report

from .sample import many, study, table, temperatures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
FIGURES = 12


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    write_study_report(study(), table(), folder / "grid.html")
    write_study_report(*temperatures(), folder / "temperatures.html")
    write_study_report(*many(), folder / "many.html")
    return [folder / f"{name}.html" for name in ("grid", "temperatures", "many")]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    driven = Chromium(tmp_path_factory.mktemp("profile"))
    yield driven
    driven.close()


def test_nothing_is_complained_of_and_nothing_asked_for(chromium: Chromium, pages: list[Path]):
    chromium.look(DESK)
    for page in pages:
        chromium.open(page)
        assert chromium.value("document.title").endswith("· Limbeck study")
        assert chromium.complaints() == []
        assert chromium.requests() == [page.resolve().as_uri()]


def test_every_figure_is_drawn(chromium: Chromium, pages: list[Path]):
    chromium.look(DESK)
    chromium.open(pages[0])
    sizes = chromium.value(
        "[...document.querySelectorAll('figure svg')].map(e => { const b = e.getBBox();"
        "return [b.width, b.height, e.getBoundingClientRect().width] })"
    )
    assert len(sizes) == FIGURES
    assert all(min(size) > 50 for size in sizes)


def test_a_file_is_kept_under_its_name(chromium: Chromium, pages: list[Path], tmp_path: Path):
    """The policy in the page's head must not stop the links to its own data."""
    chromium.look(DESK)
    chromium.open(pages[0])
    chromium.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    chromium.click("a.download[download='ranks.csv']")
    kept, until = tmp_path / "ranks.csv", time.monotonic() + PATIENCE
    while not kept.exists():
        assert time.monotonic() < until, list(tmp_path.iterdir())
        time.sleep(0.05)
    rows = list(csv.DictReader(kept.open(encoding="utf-8")))
    assert len(rows) == 18 * 4 and set(rows[0]) == {"student", "teacher", "task", "method", "score"}
    assert chromium.complaints() == []


@pytest.mark.parametrize("size", [DESK, PHONE, PAPER], ids=["desk", "phone", "paper"])
def test_nothing_is_wider_than_the_window(
    chromium: Chromium, pages: list[Path], size: tuple[int, int]
):
    chromium.look(size)
    for page in pages:
        chromium.open(page)
        chromium.value("for (const e of document.querySelectorAll('details')) e.open = true")
        assert chromium.value(WIDER) == []
        assert chromium.value("document.documentElement.scrollWidth") <= size[0]


def test_no_two_labels_of_a_drawing_overlap(chromium: Chromium, pages: list[Path]):
    chromium.look(DESK)
    for page in pages:
        chromium.open(page)
        overlapping = chromium.value(
            "[...document.querySelectorAll('figure svg')].flatMap(svg => {"
            " const all = [...svg.querySelectorAll('text:not([transform*=\"rotate(-40\"])')]"
            "  .map(t => [t, t.getBoundingClientRect()]);"
            " return all.flatMap(([a, r], i) => all.slice(i + 1).filter(([, s]) =>"
            "  Math.min(r.right, s.right) - Math.max(r.left, s.left) > 1 &&"
            "  Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 4)"
            "  .map(([b]) => a.textContent + ' / ' + b.textContent)) })"
        )
        assert overlapping == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(chromium: Chromium, pages: list[Path], dark: bool):
    chromium.look(DESK, dark)
    chromium.open(pages[0])
    back = _luminance(chromium.value("getComputedStyle(document.body).backgroundColor"))
    assert (back < 0.1) == dark
    for selector in (
        ".supported .state",
        ".refuted .state",
        ".undecided .state",
        ".download",
        "dd",
    ):
        colour = chromium.value(f"getComputedStyle(document.querySelector('{selector}')).color")
        light, deep = sorted((back, _luminance(colour)), reverse=True)
        assert (light + 0.05) / (deep + 0.05) > 4.5, selector
