"""The student's model card: the page that the Hugging Face hub shows, ``README.md``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from limbeck.files import write_text

from . import card_data, sections, words
from .facts import Results, label, trained
from .hostile import visible
from .remarks import collapsed
from .sections import Table
from .templates import environment
from .verdict import verdict

MARK = "<!-- Written by Limbeck. Take this line out, and the card is never written again. -->"
_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def model_card(results: Results) -> str:
    """The card of a run's student: metadata for the hub, verdict, scores, origin, limits.

    Folders and servers of this machine are left out: a card is for others.

    Args:
        results: The contents of ``results.json``; sections that are missing are left out.
    """
    templates = environment(html=False)
    templates.filters |= {"plain": plain, "fenced": fenced, "markdown": markdown}
    page = templates.get_template("card.md.j2").render(_view(results))
    return f"---\n{card_data.metadata(results).to_yaml()}\n---\n{MARK}\n\n{visible(page)}"


def write_model_card(results: Results, folder: Path) -> bool:
    """Write ``README.md`` into the student's folder, unless somebody wrote one there.

    Args:
        results: The contents of ``results.json``.
        folder: The student's folder.

    Returns:
        Whether it was written: a card without our mark belongs to its author.

    Raises:
        LimbeckError: The disk is full or not writable.
    """
    path = folder / "README.md"
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return False
    write_text(path, model_card(results))
    return True


def plain(text: object) -> str:
    """Text that Markdown and HTML take for nothing but text, in one line."""
    line = " ".join(visible(str(text)).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", line)


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any inside it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def markdown(table: Table) -> str:
    """A table of the report in Markdown."""
    rows = [
        [column.name for column in table.columns],
        [":---" if column.text else "---:" for column in table.columns],
        *table.rows,
    ]
    rows[0] = [plain(cell) for cell in rows[0]]
    rows[2:] = [[plain(cell) for cell in row] for row in rows[2:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _view(results: Results) -> dict[str, Any]:
    training = (results.get("training") or {}).get("student") or {}
    method = results.get("method") or {}
    recipe = _without_places(results.get("recipe") or {})
    found = collapsed(results)
    return {
        "name": results["name"],
        "verdict": results.get("verdict") or verdict(results),
        "outcome": sections.outcome(results),
        "tasks": card_data.task_scores(results),
        "trained": trained(results),
        "method": method.get("name"),
        "formula": method.get("formula"),
        "paper": method.get("paper") or {},
        "options": {k: v for k, v in (method.get("options") or {}).items() if v is not None},
        "base": card_data.public_name(_source(results, "before")),
        "teacher": card_data.public_name(_source(results, "teacher")),
        "data": card_data.public_name((results.get("data") or {}).get("source")),
        "rows": words.count((results.get("data") or {}).get("train")),
        "steps": words.count(training.get("steps")),
        "tokens": words.count(training.get("supervised_tokens")),
        "seed": results.get("seed"),
        "items": words.count(results["evaluation"].get("items")),
        "alarm": f"{label(results, 'student')} {found}." if found else "",
        "not_measured": (results.get("audit") or {}).get("not_measured") or [],
        "recipe": yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True) if recipe else "",
        "limbeck": results.get("limbeck"),
    }


def _source(results: Results, arm: str) -> Any:
    return (results["models"].get(arm) or {}).get("source")


def _without_places(value: Any) -> Any:
    """A recipe without the folders and servers of this machine."""
    if isinstance(value, Mapping):
        return {
            key: "(a server)" if key == "server" and each else _without_places(each)
            for key, each in value.items()
            if key != "output"
        }
    if isinstance(value, list):
        return [_without_places(each) for each in value]
    if isinstance(value, str) and (
        value.startswith(("/", "~/")) or re.match(r"[A-Za-z]:\\", value)
    ):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value
