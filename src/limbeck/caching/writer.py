"""Writing a cache, so that a kill at any time costs one shard."""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from limbeck.caching.cache import HEAD, Cache
from limbeck.caching.encoding import Encoding, raw_bits
from limbeck.caching.encodings import described
from limbeck.caching.hidden import HiddenEncoding
from limbeck.caching.manifest import JOURNAL, File, Manifest, Origin
from limbeck.caching.shards import checksum, write_arrays, write_shard
from limbeck.caching.text import FILE as TEXT
from limbeck.caching.text import digest, key, write_text
from limbeck.console import progress
from limbeck.data import Sequence, collate, supervised
from limbeck.divergences import Head
from limbeck.files import Journal, writing
from limbeck.targets import ModelTeacher, Projected

SHARD_BYTES = 64 * 2**20
BATCH_TOKENS = 8192


def write_cache(
    folder: Path,
    rows: Rows[Sequence],
    teacher: ModelTeacher,
    encoding: Encoding,
    origin: Origin,
    pad: int,
    shard_bytes: int = SHARD_BYTES,
) -> Cache:
    """Ask the teacher about every supervised token, and keep what it says.

    Which sequences make a shard, and which a batch, depends on the sequences alone; with finished
    shards noted in a journal, an interrupted cache goes on and ends with the same bytes. A shard
    that was lost or damaged since is written again.

    Args:
        folder: Of the cache.
        rows: With completions.
        teacher: Whose distribution.
        encoding: What is kept of it.
        origin: What all of this depends on.
        pad: Id to fill batches with.
        shard_bytes: About so large is a shard.

    Returns:
        The finished cache.

    Raises:
        LimbeckError: The disk is full or not writable.
    """
    hidden = isinstance(encoding, HiddenEncoding)
    with progress("caching the teacher", len(rows), "rows") as advance:
        return write_said(
            folder,
            rows,
            lambda chosen: ask(teacher, chosen, encoding, pad, origin.seed),
            encoding,
            origin,
            shard_bytes=shard_bytes,
            head=(lambda: _head(teacher, rows[0], pad)) if hidden else None,
            advance=advance,
        )


def write_said(
    folder: Path,
    rows: Rows[Sequence],
    said: Callable[[Rows[Sequence]], list[dict[str, NDArray[Any]]]],
    encoding: Encoding,
    origin: Origin,
    *,
    shard_bytes: int = SHARD_BYTES,
    head: Callable[[], Head] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Cache:
    """Keep what somebody says of every supervised token; see `write_cache`.

    Args:
        folder: Of the cache.
        rows: With completions.
        said: What is kept of each of some sequences, in their order.
        encoding: Whose columns these are.
        origin: What all of this depends on.
        shard_bytes: About so large is a shard.
        head: The teacher's, where hidden states are kept.
        advance: Is told how many rows are done.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts = list(_shards([len(s.completion) for s in rows], encoding.bytes_per_token, shard_bytes))
    key = json.dumps([described(encoding), asdict(origin), digest(rows), shard_bytes])
    journal = Journal(folder / JOURNAL, hashlib.blake2b(key.encode()).hexdigest())
    noted = {entry["file"]: File(**entry) for entry in journal.entries}
    done = {name: file for name, file in noted.items() if not file.damage(folder)}
    for path in folder.glob("[0-9]*.safetensors"):
        if path.name not in done:
            path.unlink()  # of a cache that was encoded in another way, or damaged
    for number, part in enumerate(parts):
        name = f"{number:05}.safetensors"
        chosen = rows[part]
        if name not in done:
            write_shard(folder / name, said(chosen), encoding.ragged)
            tokens = sum(len(s.completion) for s in chosen)
            done[name] = _file(folder / name, len(chosen), tokens)
            journal.append([asdict(done[name])])
        advance(len(chosen))
    journal.close()
    write_text(folder, rows)
    files = [_file(folder / TEXT)]
    numbers: dict[str, Any] = {}
    if head is not None:
        numbers = _write_head(folder, head())
        files.append(_file(folder / HEAD))
    version = importlib.metadata.version("limbeck")
    shards = [done[f"{number:05}.safetensors"] for number in range(len(parts))]
    Manifest(version, described(encoding), origin, numbers, shards, files).write(folder)
    return Cache(folder)


def ask(
    teacher: ModelTeacher, rows: Rows[Sequence], encoding: Encoding, pad: int, seed: int
) -> list[dict[str, NDArray[Any]]]:
    """What is kept of each sequence, in their order; each has a seed of its own for draws."""
    found: list[dict[str, NDArray[Any]]] = [{} for _ in rows]
    for chosen, shown in show(teacher, rows, pad):
        start = 0
        for i in chosen:
            stop = start + len(rows[i].completion)
            own = int.from_bytes(key(rows[i].prompt, rows[i].completion)[:7], "little")
            found[i] = encoding.encode(shown[start:stop], own ^ seed)
            start = stop
    return found


def show(
    teacher: ModelTeacher, rows: Rows[Sequence], pad: int
) -> Iterator[tuple[list[int], Projected]]:
    """The teacher's forward passes over sequences: indices, and their supervised tokens in order."""
    device = next(teacher.model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    while order:
        size = max(1, BATCH_TOKENS // len(rows[order[0]]))
        chosen, order = order[:size], order[size:]
        batch = collate([rows[i] for i in chosen], pad)
        where = supervised(batch["labels"])
        moved = {
            name: value.to(device)
            for name, value in batch.items()
            if isinstance(value, torch.Tensor)
        }
        shown = teacher(moved, where.to(device))
        assert isinstance(shown, Projected)
        yield chosen, shown


def _shards(lengths: Rows[int], bytes_per_token: int, shard_bytes: int) -> Iterator[slice]:
    """Consecutive sequences of about so many bytes."""
    start = size = 0
    for i, length in enumerate(lengths):
        size += length * bytes_per_token
        if size >= shard_bytes:
            yield slice(start, i + 1)
            start, size = i + 1, 0
    if start < len(lengths):
        yield slice(start, len(lengths))


def _file(path: Path, sequences: int = 0, tokens: int = 0) -> File:
    return File(path.name, path.stat().st_size, checksum(path), sequences, tokens)


def _head(teacher: ModelTeacher, row: Sequence, pad: int) -> Head:
    (_, shown), *_ = show(teacher, [row], pad)
    return shown.head


def _write_head(folder: Path, head: Head) -> dict[str, Any]:
    """Keep the head's numbers; what they are goes to the manifest."""
    parts = {"weight": head.weight, "bias": head.bias}
    arrays = {
        name: raw_bits(part.to(head.weight.dtype))
        for name, part in parts.items()
        if part is not None
    }
    write_arrays(folder / HEAD, arrays)
    kind = str(head.weight.dtype).removeprefix("torch.")
    return {"dtype": kind, "scale": head.scale, "softcap": head.softcap}
