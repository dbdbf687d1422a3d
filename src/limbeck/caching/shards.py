"""Shards: safetensors files, read through a memory map.

A sequence's rows lie together in every column, so reading one copies a few contiguous ranges and
touches no other page. The file is an ordinary safetensors file; only its header is parsed here,
because a slice of the library costs more than the copy.
"""

import hashlib
import json
import mmap
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from limbeck.files import new_file

_TYPES = {
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
}
TOKEN, ENTRY = "start.token", "start.entry"


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a safetensors file; it is whole or not there."""
    with new_file(path) as partial:
        save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, partial)


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, read-only and on the disk until they are looked at."""
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(mapped[:8], "little")
    header: dict[str, Any] = json.loads(mapped[8 : 8 + length])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        kind, shape = np.dtype(_TYPES[entry["dtype"]]), entry["shape"]
        count, offset = int(np.prod(shape)), 8 + length + entry["data_offsets"][0]
        arrays[name] = (
            np.frombuffer(mapped, kind, count, offset) if count else np.zeros(0, kind)
        ).reshape(shape)
    return arrays


def write_shard(
    path: Path, sequences: Rows[dict[str, NDArray[Any]]], ragged: tuple[str, ...]
) -> None:
    """Write the columns of some sequences.

    Args:
        path: Of the file.
        sequences: The columns of each.
        ragged: Those with a row for each entry, not for each token.
    """
    fixed = next(name for name in sequences[0] if name not in ragged)
    arrays = {name: np.concatenate([s[name] for s in sequences]) for name in sequences[0]}
    arrays[TOKEN] = _starts([len(s[fixed]) for s in sequences])
    if ragged:
        arrays[ENTRY] = _starts([len(s[ragged[0]]) for s in sequences])
    write_arrays(path, arrays)


class Shard:
    """A shard on the disk.

    Args:
        path: Its file.
        ragged: Columns with a row for each entry.
    """

    def __init__(self, path: Path, ragged: tuple[str, ...]):
        arrays = map_arrays(path)
        self._tokens = arrays.pop(TOKEN)
        self._entries = arrays.pop(ENTRY) if ragged else self._tokens
        self._ragged = ragged
        self._arrays = arrays
        self._mapped = _owner(self._tokens)
        base = np.frombuffer(self._mapped, np.uint8).ctypes.data
        self._places = [
            (a.ctypes.data - base, a[:1].nbytes, name in ragged) for name, a in arrays.items()
        ]

    def announce(self, row: int) -> None:
        """Let the system fetch a sequence's pages, all at once, while others are announced.

        Otherwise a disk is asked for a page or two at a time, each when it is missed.
        """
        token, entry = self._range(row)
        for offset, size, is_ragged in self._places:
            start, stop = entry if is_ragged else token
            begin, length = offset + start * size, (stop - start) * size
            if length:
                page = begin % mmap.PAGESIZE
                self._mapped.madvise(mmap.MADV_WILLNEED, begin - page, length + page)

    def read(self, row: int) -> dict[str, NDArray[Any]]:
        """The columns of a sequence, as views of the file."""
        token, entry = (slice(*found) for found in self._range(row))
        return {n: a[entry if n in self._ragged else token] for n, a in self._arrays.items()}

    def _range(self, row: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last of a sequence's tokens, and of its entries."""
        t, e = self._tokens, self._entries
        return (int(t[row]), int(t[row + 1])), (int(e[row]), int(e[row + 1]))


def _owner(column: NDArray[Any]) -> mmap.mmap:
    """The memory map that an array is a view of."""
    base: Any = column
    while not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else base.base
    return base


def checksum(path: Path) -> str:
    """blake2b of a file, read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def damage(path: Path, size: int, blake2b: str) -> str:
    """What is wrong with a file that was written with this size and checksum; empty if nothing is."""
    if not path.exists():
        return "is missing"
    if (now := path.stat().st_size) != size:
        return f"has {now} bytes, and {size} were written"
    if checksum(path) != blake2b:
        return "has changed since it was written (its checksum differs)"
    return ""


def _starts(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
