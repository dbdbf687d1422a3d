"""The page must open offline, show what is there, and stay inert whatever a model wrote."""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from limbeck.reports import render, verdict, write_report

from .page import Page
from .sample import FULL, full, least, of_text, short, standalone

SECTIONS = (
    "comparisons",
    "audit",
    "tasks",
    "recovered",
    "detectable",
    "training",
    "text",
    "data",
    "controls",
    "method",
    "doctor",
    "costs",
    "environment",
    "recipe",
    "command",
    "verdict",
    "created",
    "seed",
    "limbeck",
)
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</pre></style></svg>{{ 7*7 }}"


@functools.cache
def _page(results: Callable[[], dict[str, Any]]) -> str:
    """The page of a sample, drawn once."""
    return render(results())


SAMPLES = pytest.mark.parametrize("results", [full, least, of_text, standalone])


@SAMPLES
def test_the_page_is_whole_and_loads_nothing(results: Callable[[], dict[str, Any]]):
    html = _page(results)
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "poster", "data", "action"):
            assert value.startswith("#") or tag == "a", (tag, name, value)
        assert not name.startswith("on"), (tag, name)
    assert "@import" not in html
    assert all("url(#" in piece for piece in _urls(html))
    assert "default-src 'none'" in html


def _urls(html: str) -> list[str]:
    return ["url(" + rest[:1] for rest in html.split("url(")[1:]]


@SAMPLES
def test_no_id_is_used_twice_and_every_reference_has_its_target(
    results: Callable[[], dict[str, Any]],
):
    page = Page(_page(results))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for reference in page.values("href"):
        if reference.startswith("#"):
            assert reference[1:] in ids
    for references in page.values("aria-labelledby"):
        assert set(references.split()) <= set(ids)


def test_the_page_shows_what_was_found():
    results = full()
    text = " ".join(Page(_page(full)).text.split())
    assert verdict(results) in text
    for shown in (
        "chain-arithmetic",
        "88.2%",
        "85.1 to 90.7%",
        "exact McNemar",
        "98.4%",
        "86.8%",
        "300 labelled rows make 107 epochs",
        "1.20 GiB",
        "2.13.0+cpu",
        "limbeck distill runs/demo/recipe.yaml",
        "Distilling the Knowledge in a Neural Network",
    ):
        assert shown in text, shown


def test_the_whole_recipe_is_there_to_copy():
    results = short()
    results["recipe"]["note"] = "naïve: é"
    shown = Page(render(results)).text
    start = shown.index("student:\n")
    assert yaml.safe_load(shown[start : shown.index("Written by Limbeck")]) == results["recipe"]


def test_a_verdict_in_the_file_is_shown_as_it_stands():
    results = short() | {"verdict": "It did not work."}
    text = Page(render(results)).text
    assert "It did not work." in text
    assert "Distillation beat" not in text


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_needs_no_other(section: str):
    """A step of the main job, used alone, writes only what it knows."""
    results = least()
    if section in FULL:
        results[section] = full()[section]
    Page(render(results))


@pytest.mark.parametrize("section", SECTIONS[:14])
def test_any_section_may_be_empty(section: str):
    Page(render(least() | {section: type(FULL[section])()}))


def test_missing_numbers_are_dashes():
    results = full()
    scores = results["evaluation"]["metrics"]
    scores["sft"] = {}
    scores["teacher"] |= {"perplexity": None, "invalid": float("nan")}
    results["training"]["sft"] = {"steps": None, "curve": [{"step": 1, "loss": float("nan")}]}
    results["audit"]["tokens"]["sft"] = {}
    results["audit"]["agreement"]["sft"]["kappa"] = None
    results["audit"]["steps"]["sft"] = {"unfaithful": None}
    text = Page(render(results)).text
    assert "None" not in text and "nan" not in text.split()


def _everywhere(value: Any) -> Any:
    """The same results with every free text replaced by an attack."""
    if isinstance(value, dict):
        return {key: _everywhere(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_everywhere(item) for item in value]
    return ATTACK if isinstance(value, str) else value


def test_text_of_others_stays_text():
    results = full()
    attacked = copy.deepcopy(results)
    for section in ("method", "doctor", "environment", "recipe", "command", "name"):
        attacked[section] = _everywhere(results[section])
    attacked["data"]["source"] = ATTACK
    attacked["data"]["notes"] = {ATTACK: 1}
    for arm, model in attacked["models"].items():
        model |= {"label": f"{arm} {ATTACK} $x$", "source": ATTACK}
    html = render(attacked)
    page = Page(html)  # a tag that was let through would break the nesting or show below
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name in page.attributes if name[1].startswith("on")]
    assert ATTACK in page.text
    assert "$x$" in page.text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "", None])
def test_a_paper_link_that_could_run_is_no_link(url: str | None):
    results = short()
    results["method"]["paper"]["url"] = url
    page = Page(render(results))
    assert all(link.startswith("#") for link in page.values("href"))


def test_writing_replaces_the_page_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "report.html"
    write_report(short(), target)
    before = target.read_text(encoding="utf-8")
    assert before == render(short())  # and the same results give the same page
    assert target.stat().st_mode & 0o777 == 0o644

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("limbeck.files.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(least(), target)
    assert target.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [target]


def test_half_a_surrogate_pair_can_be_written(tmp_path: Path):
    results = short()
    results["method"]["name"] = "broken \ud83d"
    write_report(results, tmp_path / "report.html")
    assert "broken" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_option_of_the_command_line_is_not_broken_and_nothing_else_is_marked_up():
    results = full() | {"verdict": "It won: run again with --controls. <b>a--b</b>"}
    page = render(results)
    assert '<span class="option">--controls</span>.' in page
    assert "&lt;b&gt;a--b&lt;/b&gt;" in page
