"""The sequences of a cache, and finding one by what it holds."""

import hashlib
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.caching.shards import map_arrays, write_arrays
from limbeck.data import Author, Sequence

FILE = "text.safetensors"


def key(prompt: Rows[int], completion: Rows[int]) -> bytes:
    """16 bytes that stand for a sequence, whatever its place in whatever data set."""
    ids = np.array([len(prompt), *prompt, *completion], "<i4")
    return hashlib.blake2b(ids.tobytes(), digest_size=16).digest()


def digest(rows: Rows[Sequence]) -> str:
    """A hash of sequences in their order."""
    whole = hashlib.blake2b(digest_size=16)
    for s in rows:
        whole.update(key(s.prompt, s.completion))
    return whole.hexdigest()


def with_others(rows: Rows[Sequence], others: Rows[Sequence]) -> list[Sequence]:
    """All of ``rows``, and those of the others that are not among them, in their order."""
    known = {key(s.prompt, s.completion) for s in rows}
    more = {k: s for s in others if (k := key(s.prompt, s.completion)) not in known}
    return [*rows, *more.values()]


def write_text(folder: Path, rows: Rows[Sequence]) -> None:
    """Keep the token ids, so that a cache can be checked and trained from without its data."""
    keys = b"".join(key(s.prompt, s.completion) for s in rows)
    lengths = [0, *(len(s) for s in rows)]
    ids = [i for s in rows for i in (*s.prompt, *s.completion)]
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array(ids, np.int32),
        "start": np.cumsum(lengths).astype(np.int64),
        "prompt": np.array([len(s.prompt) for s in rows], np.int32),
        "author": np.array([int(s.author) for s in rows], np.uint8),
        "example": np.array([s.example for s in rows], np.int32),
        "key": np.frombuffer(keys, "<u8").reshape(-1, 2),
    }
    write_arrays(folder / FILE, arrays)


class Text:
    """The sequences of a cache on the disk.

    Args:
        folder: Of the cache.
    """

    def __init__(self, folder: Path):
        self._arrays = map_arrays(folder / FILE)
        keys = self._arrays["key"]
        self._order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, row: int) -> Sequence:
        a = self._arrays
        ids = tuple(a["ids"][a["start"][row] : a["start"][row + 1]].tolist())
        cut = int(a["prompt"][row])
        author, example = Author(int(a["author"][row])), int(a["example"][row])
        return Sequence(ids[:cut], ids[cut:], author, example)

    def find(self, keys: Rows[bytes]) -> NDArray[np.int64]:
        """The row of each key, -1 where there is none."""
        wanted = np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)
        if not len(self):
            return np.full(len(wanted), -1)
        at = np.searchsorted(self._sorted[:, 0], wanted[:, 0]).clip(max=len(self) - 1)
        return np.where((self._sorted[at] == wanted).all(1), self._order[at], -1)
