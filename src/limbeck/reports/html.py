"""The page of a run: one HTML file that opens anywhere, loads nothing and runs nothing."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from markupsafe import Markup, escape

from . import curves, figures, ledger, path, round_figures, rounds, words
from .audit import not_measured
from .browser import Item, browser
from .contents import course, findings
from .facts import Results, arms, label, trained
from .hostile import visible
from .templates import environment
from .tiles import tiles
from .verdict import verdict

# Worst first: what went wrong must not hide below what went well.
_SEVERITY = {"fail": 0, "warn": 1, "note": 2, "ok": 3}


def render(results: Results, items: Sequence[Item] = ()) -> str:
    """Write the report of a run as one self-contained HTML page.

    The page holds no script and loads nothing; a content security policy in its head keeps it so,
    whatever a model wrote.

    Args:
        results: The contents of ``results.json``; sections that are missing are left out.
        items: Test items with every model's output; see `browser`.
    """
    templates = environment(html=True)
    templates.filters["number"] = words.count
    templates.filters["sentences"] = _sentences
    template = templates.get_template("report.html.j2")
    # A name, too, may hold half a surrogate pair, which no file can.
    return visible(template.render(_view(results, items)))


def _view(results: Results, items: Sequence[Item]) -> dict[str, Any]:
    # A verdict opens with its claim, then the numbers.
    sentences = words.unbroken(str(results.get("verdict") or verdict(results)))
    claim, colon, numbers = sentences.partition(": ")
    view = {
        "name": results["name"],
        "created": str(results.get("created", "")).replace("T", " ")[:16],
        "limbeck": results.get("limbeck"),
        "seed": results.get("seed"),
        "kind": "distillation report" if trained(results) else "audit",
        "models": [_model(results, arm) for arm in arms(results)],
        "claim": claim + colon,
        "numbers": numbers,
        "tiles": [(name, number, words.unbroken(text)) for name, number, text in tiles(results)],
        "colours": {label(results, arm): colour for arm, colour in figures.COLOURS.items()},
        "student": label(results, "student"),
        "findings": findings(results),
        "browser": browser(results, items),
        "course": course(results),
        "rewritten": rounds.examples(results),
        "tag_colours": round_figures.TAG_COLOURS,
        "moved": [p for p in (path.schedule(results), *curves.moved(results)) if p],
        "doctor": _doctor(results),
        "not_measured": not_measured(results),
        "ledgers": [
            (title, pairs)
            for title, pairs in (
                ("Method", ledger.method(results)),
                ("Training text", ledger.text(results)),
                ("Data", ledger.data(results)),
                ("Costs", ledger.costs(results)),
                ("Environment", ledger.environment(results)),
            )
            if pairs
        ],
        "paper": _paper(results),
        "recipe": _yaml(results.get("recipe")),
        "command": results.get("command"),
    }
    return view | {"contents": _contents(view)}


def _sentences(text: str) -> Markup:
    """Escaped, with every option of the command line on one line."""
    return Markup(
        re.sub(r"(?<!\S)--[\w-]+", r'<span class="option">\g<0></span>', str(escape(text)))
    )


def _contents(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Id and title of each section that is there."""
    return [
        *((s.name, s.title) for s in view["findings"]),
        *([("items", "Items")] if view["browser"] else []),
        *((s.name, s.title) for s in view["course"]),
        *([("what-moved", "What moved")] if view["moved"] else []),
        *([("doctor", "Doctor")] if view["doctor"] else []),
        *([("not-measured", "Not measured")] if view["not_measured"] else []),
        ("the-run", "The run"),
        *([("again", "Do it again")] if view["recipe"] or view["command"] else []),
    ]


def _model(results: Results, arm: str) -> dict[str, str]:
    model = results["models"][arm]
    return {
        "label": label(results, arm),
        "source": str(model.get("source", words.DASH)),
        "parameters": words.parameters(model.get("parameters")),
    }


def _doctor(results: Results) -> list[dict[str, str]]:
    empty = dict.fromkeys(("check", "status", "what", "why", "mend"), "")
    findings = [empty | found for found in results.get("doctor") or ()]
    return sorted(findings, key=lambda found: _SEVERITY.get(found["status"], 0))


def _paper(results: Results) -> Mapping[str, str] | None:
    """The method's paper, if its address is a web address and nothing that could run."""
    paper = (results.get("method") or {}).get("paper") or {}
    url = str(paper.get("url", ""))
    if not url.startswith(("https://", "http://")):
        return None
    return {"url": url, "title": str(paper.get("title") or url)}


def _yaml(recipe: Mapping[str, Any] | None) -> str:
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True) if recipe else ""
