"""Findings and caches, for people and for machines."""

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
