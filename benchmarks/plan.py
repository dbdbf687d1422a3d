"""What the comparisons of the loss have in common: sizes, rounds, and what is checked first."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import (
    Timing,
    allocator_as_limbeck_has_it,
    allocator_as_usual,
    interleave,
)
from benchmarks.peers import METHODS, PEERS, check, reference
from benchmarks.problem import Problem, Result, Size
from benchmarks.textbook import Divergence

CLOCK = (
    "Seconds are CPU seconds (user and system) with one thread, medians over interleaved rounds "
    "in one process; a ratio is the median of the rounds' own ratios [smallest, largest]. "
)
OWN_ALLOCATOR = (
    "Limbeck lets the C library keep freed memory; that is undone before the others' turns, as "
    "far as one process allows, because they do not have it without Limbeck. "
)


@dataclass(frozen=True)
class Plan:
    """How large and how often."""

    sizes: Sequence[Size]
    masked: Size
    jsd_memory: Size
    fkl_memory: Size
    rounds: int
    cheap_rounds: int  # at the first size, where a call takes a second or two
    peer_rounds: int  # beside the peers at the other sizes
    slow_rounds: int  # of TRL's programs there
    peers: Sequence[str] = tuple(PEERS)

    def at(self, size: Size) -> int:
        """Rounds at a size."""
        return self.cheap_rounds if size == self.sizes[0] else self.rounds

    def fewer(self, size: Size) -> dict[str, int]:
        """What sits out some rounds there."""
        slow = () if size == self.sizes[0] else [n for n in self.peers if n.startswith("trl")]
        return dict.fromkeys(slow, self.slow_rounds)


FULL = Plan(
    sizes=(
        Size(512, 32_000, 512, 1024),
        Size(2048, 32_000, 896, 1536),
        Size(512, 151_936, 896, 1536),
    ),
    masked=Size(2048, 32_000, 512, 1024),
    jsd_memory=Size(2048, 32_000, 512, 1024),
    fkl_memory=Size(2048, 151_936, 896, 1536),
    rounds=3,
    cheap_rounds=5,
    peer_rounds=2,
    slow_rounds=1,
)
QUICK = Plan(
    sizes=(Size(128, 4096, 64, 128), Size(64, 8192, 64, 128)),
    masked=Size(128, 4096, 64, 128),
    jsd_memory=Size(256, 4096, 64, 128),
    fkl_memory=Size(256, 8192, 64, 128),
    rounds=2,
    cheap_rounds=2,
    peer_rounds=1,
    slow_rounds=1,
    peers=tuple(name for name in PEERS if "compiled" not in name),
)


def check_one(problem: Problem, d: Divergence, rows: int = 8) -> float:
    """Error of Limbeck's loss and gradients on the first rows, against float64."""
    part = problem.first(rows)
    return check("limbeck", METHODS["limbeck"](part, d), reference(part, d), d.tolerance)


def allocator_of_each() -> Callable[[str], None]:
    """Called before a program's turn: the allocator as in a process of the program's own."""
    now = None

    def switch(name: str) -> None:
        nonlocal now
        theirs = name in (*PEERS, "full logits")
        if theirs is not now:
            (allocator_as_usual if theirs else allocator_as_limbeck_has_it)()
        now = theirs

    return switch


def compare(
    problem: Problem,
    d: Divergence,
    names: Sequence[str],
    rounds: int,
    fewer: Mapping[str, int] | None = None,
    extra: Mapping[str, Callable[[], Any]] | None = None,
) -> tuple[dict[str, Timing], float]:
    """Interleaved times of programs that compute the same, which is checked in the first round.

    Args:
        problem: What all compute.
        d: The divergence.
        names: Of `METHODS`, warmed up; all are compared with the first.
        rounds: How many.
        fewer: See `interleave`.
        extra: Calls that compute something else.

    Returns:
        Times by name, and the largest disagreement.
    """
    extra = extra or {}
    first: list[Result] = []
    errors = [0.0]

    def look(name: str, result: Any) -> None:
        if name in extra:
            return
        if first:
            errors.append(check(name, result, first[0], d.tolerance))
        else:
            first.append(result)

    calls = {name: functools.partial(METHODS[name], problem, d) for name in names}
    return interleave(calls | dict(extra), rounds, fewer, look, allocator_of_each()), max(errors)
