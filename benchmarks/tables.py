"""Results as Markdown: what was measured, on what, how to read it, and whether a goal was met."""

import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "trl", "liger-kernel", "limbeck")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Goal:
    """A bound that a figure should keep."""

    what: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it does."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "pass" if self.met else "**miss**"
        return f"{verdict}: {self.what} {self.value:.3g} ({sign} {self.bound:g})"


@dataclass
class Report:
    """One section of a program: a title, how to read it, one table, its goals."""

    title: str
    reading: str
    columns: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Another row; it is printed at once, because the next one may take minutes."""
        self.rows.append(cells)
        print("  " + " | ".join(map(str, cells)), flush=True)

    def markdown(self, command: str) -> str:
        """The whole file."""
        lines = [f"# {self.title}", "", f"`{command}`", "", *_machine(), "", self.reading, ""]
        lines += ["| " + " | ".join(self.columns) + " |", "|---" * len(self.columns) + "|"]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in self.rows]
        if self.goals:
            lines += ["", "Goals:", "", *(f"- {goal}" for goal in self.goals)]
        return "\n".join([*lines, ""])

    def finish(self, command: str, file: Path | None) -> None:
        """Print the goals, and write the file where one is named."""
        for goal in self.goals:
            print(f"  {goal}", flush=True)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.markdown(command), encoding="utf-8")


def processor() -> str:
    """Its name."""
    model = re.search(r"model name\s*: (.*)", _cpu_information())
    return model[1] if model else platform.processor() or "unknown processor"


def _cpu_information() -> str:
    return Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""


def _machine() -> list[str]:
    """Processor, cores, threads, instruction sets, versions, date."""
    text = _cpu_information()
    flags = set((re.search(r"flags\s*: (.*)", text) or [""])[0].split())
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    has = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in FLAGS)
    return [
        f"{processor()} ({platform.machine()}), {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} thread(s) in use; {has}.",
        f"Python {platform.python_version()}, {', '.join(versions)}; "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.",
    ]
