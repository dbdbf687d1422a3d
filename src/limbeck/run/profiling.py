"""A training measured part by part: a table on the terminal, and the figures in the run's folder."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from limbeck.console import say
from limbeck.divergences import row_kernels
from limbeck.files import write_json
from limbeck.models import device
from limbeck.profile import REST, Part, Profile
from limbeck.ranks import rank
from limbeck.run.folder import RunFolder

NOTES = {
    "data": "loading, padding",
    "generation": "the student writes",
    "teacher": "forward pass, or a look into the cache",
    "student": "forward pass without the head",
    "loss": "both heads, the divergence, its gradient",
    "backward": "through the student below the head",
    REST: "with clipping, schedule, book-keeping",
}


@contextlib.contextmanager
def profiled(folder: RunFolder, name: str) -> Iterator[None]:
    """Measure the steps of a training; see `limbeck.profile`.

    Args:
        folder: The run's; the figures go to ``profile/NAME.json``.
        name: The arm's.
    """
    with Profile() as profile:
        yield
    parts = profile.parts()
    if not parts:
        say(f"training {name}: no step was left to profile (--fresh starts over)")
        return
    if rank() == 0:  # it was asked for, so --quiet does not silence it
        Console(stderr=True, highlight=False).print(_table(name, profile.steps, parts))
        figures = {"steps": profile.steps, "parts": [asdict(part) for part in parts]}
        write_json(folder / "profile" / f"{name}.json", figures)


def _table(name: str, steps: int, parts: list[Part]) -> Table:
    total = sum(part.seconds for part in parts)
    table = Table(
        title=f"training {name}: where a step goes (mean of {steps} steps, the first left out)",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in ("part", "ms", "share", "peak memory"):
        table.add_column(column, justify="left" if column == "part" else "right")
    table.add_column("", style="dim")
    for part in parts:
        peak = f"{part.peak_bytes / 2**20:,.0f} MiB" if part.peak_bytes else "unknown"
        ms, share = f"{1000 * part.seconds:,.1f}", f"{part.share:.0%}"
        table.add_row(part.name, ms, share, peak, NOTES[part.name])
    kernels = f"row kernels of the loss: {row_kernels(device())}"
    table.add_row("step", f"{1000 * total:,.1f}", "", "", kernels)
    return table
