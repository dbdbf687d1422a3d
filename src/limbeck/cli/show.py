"""Methods and findings, for people and for machines."""

import dataclasses
import inspect
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method
from limbeck.recipe import nearest

if TYPE_CHECKING:
    from limbeck.caching import Cache, Verified
    from limbeck.doctor import Finding

STYLES = {"ok": "green", "note": "cyan", "warn": "yellow", "fail": "bold red"}


def show_findings(findings: "Sequence[Finding]", as_json: bool) -> None:
    """The doctor's findings, each with its why and its mend."""
    ready = not any(f.status == "fail" for f in findings)
    if as_json:
        print(
            json.dumps(
                {"ready": ready, "findings": [dataclasses.asdict(f) for f in findings]}, indent=2
            )
        )
        return
    out = Console(highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1)
    for f in findings:
        said = Text(f.what)
        if f.why:
            said.append(f"\nwhy:  {f.why}", "dim")
        if f.mend:
            said.append(f"\nmend: {f.mend}", "green")
        table.add_row(Text(f.status, STYLES[f.status]), f.check, said)
    out.print(table)
    out.print("[green]ready[/]" if ready else "[bold red]not ready[/]")


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
    for column in ("method", "whose text", "target", "divergence", "paper"):
        table.add_column(column, overflow="fold")
    for name, cls in METHODS.items():
        c = cls.choices
        table.add_row(
            f"[bold]{name}[/]",
            c.source,
            c.target,
            c.divergence,
            cls.paper.url.removeprefix("https://arxiv.org/abs/"),
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
    out.print(f"[bold]{name}[/]  {found['summary']}\n")
    out.print(Text(f"  {found['formula']}\n"))
    out.print(Text(f"paper      {found['paper']['title']}\n           {found['paper']['url']}"))
    for key, value in found["choices"].items():
        out.print(Text(f"{key:<10} {value}"))
    out.print("\n[bold]options[/]" if found["options"] else "\nno options")
    for option in found["options"]:
        out.print(Text(f"  {option['name']} = {option['default']!r}\n      {option['meaning']}"))
    if found["deviations"]:
        out.print("\n[bold]how released code deviates[/]")
    for line in found["deviations"]:
        out.print(Text(f"  - {line}"))


def show_cache(cache: "Cache") -> None:
    """How large a finished cache is, and how to train from it."""
    m = cache.manifest
    each = m.bytes / max(m.tokens, 1)
    Console(highlight=False).print(
        f"{m.sequences:,} sequences, {m.tokens:,} tokens, {m.bytes:,} bytes ({each:.1f} a token)\n"
        f"cache    {cache.folder}\ntrain    limbeck distill RECIPE teacher.cache={cache.folder}",
        soft_wrap=True,
    )


def show_verified(cache: "Cache", found: "Verified") -> None:
    """What a check of a cache found.

    Raises:
        LimbeckError: The cache is not what the teacher says.
    """
    from limbeck.caching.verifier import refuse

    lines = [
        f"files      {len(cache.manifest.shards)} shards, sizes and checksums as written",
        f"compared   {found.tokens:,} tokens of one shard with the teacher",
        f"covered    {found.covered:.4f} of the probability, mean",
    ]
    if found.nats is not None:
        lines.append(
            f"KL         {found.nats:.2e} nats a token, mean, over kept tokens and the rest"
        )
        lines.append(f"error      {found.error:.2e} of a kept probability, largest")
    if found.deviations is not None:
        lines.append(
            f"draws      {found.deviations:+.2f} standard deviations from their expectation"
        )
    Console(highlight=False).print("\n".join(lines))
    refuse(found, cache)


def describe(name: str) -> dict[str, Any]:
    """What is known of a method, as plain data."""
    cls = METHODS[name]
    meanings = _attributes(cls)
    return {
        "name": name,
        "summary": (inspect.getdoc(cls) or "").splitlines()[0],
        "formula": cls.formula,
        "paper": dataclasses.asdict(cls.paper),
        "choices": dataclasses.asdict(cls.choices),
        "needs_teacher": cls.imitates or cls().teacher_writes,
        "options": [
            {"name": f.name, "default": f.default, "meaning": meanings.get(f.name, "")}
            for f in dataclasses.fields(cls)
        ],
        "deviations": list(cls.deviations),
    }


def _attributes(cls: type[Method]) -> dict[str, str]:
    """The ``Attributes:`` section of a docstring."""
    section = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
