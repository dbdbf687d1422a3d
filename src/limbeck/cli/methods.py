"""The methods, for people and for machines."""

import dataclasses
import inspect
import json
import re
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method
from limbeck.recipe import nearest
from limbeck.schedules import Schedule, words


def show_methods(as_json: bool) -> None:
    """All methods, one row each."""
    if as_json:
        print(json.dumps([describe(name) for name in METHODS], indent=2))
        return
    table = Table(
        title="limbeck methods NAME shows one in full",
        title_justify="left",
        title_style="dim",
        box=None,
    )
    for column in ("method", "whose text", "target", "divergence", "cost", "paper"):
        table.add_column(column, overflow="fold")
    for name, cls in METHODS.items():
        c = cls.choices
        table.add_row(
            f"[bold]{name}[/]",
            c.source,
            c.target,
            c.divergence,
            cls().cost,
            cls.paper.url.removeprefix("https://arxiv.org/abs/").removeprefix("https://"),
        )
    Console(highlight=False).print(table)


def show_method(name: str, as_json: bool) -> None:
    """One method in full.

    Raises:
        RequestError: There is none of that name.
    """
    if name not in METHODS:
        raise RequestError(
            f"there is no method {name!r}", where="methods", mend=nearest(name, METHODS)
        )
    found = describe(name)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    out = Console(highlight=False)
    out.print(Text.assemble((name, "bold"), f"  {found['summary']}\n"))
    out.print(Text(f"  {found['formula']}\n"))
    about = Table(show_header=False, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    about.add_column(no_wrap=True)
    about.add_column(ratio=1)
    paper = found["paper"]
    about.add_row("paper", Text(f"{paper['title']}\n{paper['url']}"))
    if paper["measured"]:
        about.add_row("measured", Text(paper["measured"]))
    about.add_row("use", Text(found["use"]))
    for key, value in {**found["choices"], "cost": found["cost"]}.items():
        about.add_row(key, Text(value))
    for key, value in found["needs"].items():
        about.add_row("needs", Text(f"{key}: {value}"))
    out.print(about)
    out.print("\n[bold]options[/]" if found["options"] else "\nno options")
    for option in found["options"]:
        out.print(Text(f"  {option['name']} = {shown(option['default'])}", "bold"))
        out.print(Text(f"      {option['meaning']}"))
    if found["options"]:
        out.print(
            Text(
                "  A number that a step reads may be a schedule: {schedule: linear, from: 0.5, to: 0.75}",
                "dim",
            )
        )
    if found["deviations"]:
        table = Table(title="\nwhat released code does", title_justify="left", title_style="bold")
        for column in ("whose", "does", "here", "the option"):
            table.add_column(column, overflow="fold")
        for d in found["deviations"]:
            table.add_row(*(Text(d[key]) for key in ("code", "does", "here", "option")))
        out.print(table)


def describe(name: str) -> dict[str, Any]:
    """What is known of a method at its defaults, as plain data."""
    cls = METHODS[name]
    method, meanings = cls(), _attributes(cls)
    return {
        "name": name,
        "summary": (inspect.getdoc(cls) or "").splitlines()[0],
        "formula": cls.formula,
        "paper": dataclasses.asdict(cls.paper),
        "use": cls.use,
        "choices": dataclasses.asdict(cls.choices),
        "cost": method.cost,
        "needs_teacher": method.imitates or method.teacher_writes,
        "needs": _needs(method),
        "options": [
            {"name": f.name, "default": _plain(f.default), "meaning": meanings.get(f.name, "")}
            for f in dataclasses.fields(cls)
        ],
        "deviations": [dataclasses.asdict(d) for d in cls.deviations],
    }


def shown(default: Any) -> str:
    """A default as a recipe would write it."""
    if isinstance(default, dict):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in default.items()) + "}"
    if default is None or isinstance(default, bool):
        return {None: "none", True: "true", False: "false"}[default]
    return f"{default:g}" if isinstance(default, float) else str(default)


def _plain(default: Any) -> Any:
    return words(default) if isinstance(default, Schedule) else default


def _needs(method: Method) -> dict[str, str]:
    asked = {
        "checkpoints of the teacher's fine-tuning": (
            method.needs_path,
            "teacher: {sft: ..., keep_checkpoints: 5}, or teacher: {checkpoints: FOLDER}",
        ),
        "the teacher's tokenizer": (
            method.imitates or method.writes_together,
            "student and teacher read the same ids",
        ),
    }
    return {name: how for name, (needed, how) in asked.items() if needed}


def _attributes(cls: type[Method]) -> dict[str, str]:
    """The ``Attributes:`` section of a docstring."""
    section = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
