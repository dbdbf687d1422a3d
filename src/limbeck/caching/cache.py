"""A finished cache, opened."""

import dataclasses
from collections.abc import Sequence as Rows
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.caching.encoding import Columns, Encoding, tensor
from limbeck.caching.encodings import from_manifest
from limbeck.caching.hidden import HiddenEncoding
from limbeck.caching.manifest import Manifest, read_manifest
from limbeck.caching.shards import Shard, map_arrays
from limbeck.caching.text import Text
from limbeck.divergences import Head
from limbeck.targets import Target

HEAD = "head.safetensors"


class Cache:
    """What a teacher said, sequence by sequence; read-only, so processes may share it.

    Args:
        folder: Of the cache.

    Raises:
        RequestError: It is none, or not finished.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self._first = np.cumsum([0, *(s.sequences for s in self.manifest.shards)])
        self._shards: dict[int, Shard] = {}
        self._decoders: dict[torch.device, Encoding] = {}

    def __len__(self) -> int:
        return int(self._first[-1])

    @cached_property
    def text(self) -> Text:
        """The sequences."""
        return Text(self.folder)

    @cached_property
    def encoding(self) -> Encoding:
        """How they are kept."""
        return from_manifest(self.manifest.encoding)

    def columns(self, row: int) -> dict[str, NDArray[Any]]:
        """What is kept of a sequence, as views of the file."""
        shard, place = self._place(row)
        return shard.read(place)

    def _place(self, row: int) -> tuple[Shard, int]:
        """The shard of a sequence, and its row there."""
        number = int(np.searchsorted(self._first, row, side="right")) - 1
        if number not in self._shards:
            path = self.folder / self.manifest.shards[number].file
            self._shards[number] = Shard(path, self.encoding.ragged)
        return self._shards[number], row - int(self._first[number])

    def target(self, rows: Rows[int], device: torch.device) -> Target:
        """What the teacher said at every supervised token of some sequences, in their order."""
        places = [self._place(row) for row in rows]
        for shard, place in places:
            shard.announce(place)
        parts = [shard.read(place) for shard, place in places]
        columns: Columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return self._decoder(device).target(columns, device)

    def _decoder(self, device: torch.device) -> Encoding:
        """The encoding, with the teacher's head on the device if it needs one."""
        if device not in self._decoders:
            encoding = self.encoding
            if isinstance(encoding, HiddenEncoding):
                encoding = cast(Encoding, dataclasses.replace(encoding, head=self._head(device)))
            self._decoders[device] = encoding
        return self._decoders[device]

    def _head(self, device: torch.device) -> Head:
        arrays, said = map_arrays(self.folder / HEAD), self.manifest.head
        kind = getattr(torch, said["dtype"])

        def load(name: str) -> Tensor | None:
            return tensor(arrays[name], device).view(kind) if name in arrays else None

        weight = load("weight")
        assert weight is not None
        return Head(weight, load("bias"), said["scale"], said["softcap"])
