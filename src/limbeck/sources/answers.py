"""Many prompts answered once, and kept: interrupted work goes on where it was."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from limbeck.console import progress
from limbeck.engines import Engine, Sampling
from limbeck.files import Journal
from limbeck.sources.rollouts import seed_for


def answer_all(
    path: Path,
    key: str,
    prompts: list[tuple[int, ...]],
    engine: Callable[[], Engine],
    sampling: Sampling,
    seed: int,
    what: str,
) -> list[dict[str, Any]]:
    """Continue all prompts, a batch at a time, through a journal.

    Batches are the same whether or not the work was interrupted, and each has its own seed, so a
    resumed run writes what an uninterrupted one would have written.

    Returns:
        For each prompt ``{"i": index, "tokens": ids, "finished": bool}``.
    """
    journal = Journal(path, key)
    known = {entry["i"]: entry for entry in journal.entries}
    with progress(what, len(prompts), "prompts", done=len(known)) as advance:
        for number, batch in enumerate(_batches(prompts, sampling.batch_size)):
            if all(i in known for i in batch):
                continue
            done = engine().generate([prompts[i] for i in batch], sampling, seed_for(seed, number))
            entries = [
                {"i": i, "tokens": list(c.tokens), "finished": c.finished}
                for i, c in zip(batch, done, strict=True)
            ]
            journal.append(entries)
            known.update((e["i"], e) for e in entries)
            advance(len(batch))
    journal.close()
    return [known[i] for i in range(len(prompts))]


def _batches(prompts: list[tuple[int, ...]], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
