"""The same top-k cache in different files, and how each is read: random sequences to tensors.

Every format holds the same synthetic tokens. A reader gets a list of sequences and returns ids and
log-probabilities of all their tokens as tensors.
"""

import gc
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.caching import TopKEncoding, bits, codes
from limbeck.caching.shards import Shard, write_shard

LENGTH = 256  # tokens of a sequence
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Signal:
    """Synthetic top-k rows: sorted log-probabilities of Zipf's shape, ids without repeats."""

    vocabulary: int
    ids: NDArray[np.int64]
    log_p: NDArray[np.float32]
    log_rest: NDArray[np.float32]

    @classmethod
    def draw(cls, sequences: int, k: int, vocabulary: int) -> "Signal":
        """So many sequences."""
        rng = np.random.default_rng(0)
        rows = sequences * LENGTH
        steepness = rng.uniform(1.0, 2.5, (rows, 1))
        curve = -steepness * np.log(np.arange(1, k + 1))
        curve = -np.sort(-(curve + rng.normal(0, 0.3, curve.shape)), axis=1)
        curve -= np.log(np.exp(curve).sum(1, keepdims=True) * rng.uniform(1.01, 1.3, (rows, 1)))
        start = rng.integers(0, vocabulary, (rows, 1))
        stride = rng.integers(1, vocabulary // k, (rows, 1))
        ids = (start + stride * np.arange(k)) % vocabulary
        rest = np.log1p(-np.exp(curve).sum(1))
        return cls(vocabulary, ids, curve.astype(np.float32), rest.astype(np.float32))

    @property
    def sequences(self) -> int:
        """How many."""
        return len(self.ids) // LENGTH

    def rows(self, sequence: int) -> slice:
        """The tokens of a sequence."""
        return slice(sequence * LENGTH, (sequence + 1) * LENGTH)


class Format(ABC):
    """A cache on the disk.

    Attributes:
        name: For the table.
        files: What it wrote.
        bytes_per_token: Of the payload.
    """

    name: str
    files: list[Path]
    bytes_per_token: float
    opened: Any = None

    @abstractmethod
    def __init__(self, folder: Path, signal: Signal): ...

    @abstractmethod
    def open(self) -> Any:
        """What `read` needs of the files."""

    def reopen(self) -> None:
        """Forget what was mapped: the system keeps what a process has mapped in memory."""
        self.opened = None
        gc.collect()
        for path in self.files:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.opened = self.open()

    @abstractmethod
    def read(self, sequences: Sequence[int]) -> Pair:
        """Ids and log-probabilities, ``[tokens, k]``."""


class _Ours(Format):
    """Limbeck's shard: a safetensors file whose header is parsed here, behind a memory map."""

    form: str

    def __init__(self, folder: Path, signal: Signal):
        k = signal.ids.shape[1]
        self.encoding = TopKEncoding(signal.vocabulary, k, self.form)  # type: ignore[arg-type]
        whole = self._columns(signal)
        parts = [{n: a[signal.rows(s)] for n, a in whole.items()} for s in range(signal.sequences)]
        path = folder / f"{self.form}.safetensors"
        write_shard(path, parts, ())
        self.files = [path]
        self.bytes_per_token = self.encoding.bytes_per_token

    def open(self) -> Any:
        """See `Format`."""
        return Shard(self.files[0], ())

    def read(self, sequences: Sequence[int]) -> Pair:
        """See `Format`."""
        for s in sequences:
            self.opened.announce(s)
        parts = [self.opened.read(s) for s in sequences]
        columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        target = self.encoding.target(columns, torch.device("cpu"))
        return target.ids, target.log_p

    def _columns(self, signal: Signal) -> dict[str, NDArray[Any]]:
        log_p = signal.log_p.astype(np.float16)
        return {"ids": signal.ids.astype(np.int32), "log_p": log_p, "log_rest": signal.log_rest}


class Plain(_Ours):
    """32-bit ids, 16-bit log-probabilities."""

    name, form = "Limbeck topk-f16", "f16"


class Packed(_Ours):
    """18-bit ids, 8-bit log-probabilities."""

    name, form = "Limbeck topk", "packed"

    def _columns(self, signal: Signal) -> dict[str, NDArray[Any]]:
        low, high = bits.split(signal.ids, signal.vocabulary)
        code = codes.to_codes(signal.log_p)
        half = signal.log_rest.astype(np.float16)
        return {"low": low, "high": high, "code": code, "log_sum": half * 0, "log_rest": half}


class RawNumpy(Format):
    """Two .npy files behind memory maps."""

    name = "raw NumPy, memory map"

    def __init__(self, folder: Path, signal: Signal):
        self.files = [folder / "ids.npy", folder / "log_p.npy"]
        for path, array in zip(
            self.files, (signal.ids.astype(np.int32), signal.log_p.astype(np.float16)), strict=True
        ):
            np.save(path, array)
        self.rows = signal.rows
        self.bytes_per_token = 6 * signal.ids.shape[1]

    def open(self) -> Any:
        """See `Format`."""
        return [np.load(path, mmap_mode="r") for path in self.files]

    def read(self, sequences: Sequence[int]) -> Pair:
        """See `Format`."""
        ids, log_p = (np.concatenate([a[self.rows(s)] for s in sequences]) for a in self.opened)
        return torch.from_numpy(ids), torch.from_numpy(log_p)


class SafetensorsSlices(Format):
    """The safetensors library's own slices of the same tensors."""

    name = "safetensors, its own slices"

    def __init__(self, folder: Path, signal: Signal):
        from safetensors.numpy import save_file

        path = folder / "slices.safetensors"
        save_file(
            {"ids": signal.ids.astype(np.int32), "log_p": signal.log_p.astype(np.float16)}, path
        )
        self.files, self.rows = [path], signal.rows
        self.bytes_per_token = 6 * signal.ids.shape[1]

    def open(self) -> Any:
        """See `Format`."""
        from safetensors import safe_open

        file = safe_open(self.files[0], "pt")
        return file, *(file.get_slice(n) for n in ("ids", "log_p"))

    def read(self, sequences: Sequence[int]) -> Pair:
        """See `Format`."""
        _, ids, log_p = self.opened
        return (
            torch.cat([ids[self.rows(s)] for s in sequences]),
            torch.cat([log_p[self.rows(s)] for s in sequences]),
        )


class ArrowFile(Format):
    """Arrow IPC behind a memory map, one binary cell a sequence."""

    name = "Arrow IPC, memory map"

    def __init__(self, folder: Path, signal: Signal):
        import pyarrow as pa

        path, self.k = folder / "cells.arrow", signal.ids.shape[1]
        kinds = {"ids": signal.ids.astype(np.int32), "log_p": signal.log_p.astype(np.float16)}
        table = pa.table(
            {
                name: pa.array([a[signal.rows(s)].tobytes() for s in range(signal.sequences)])
                for name, a in kinds.items()
            }
        )
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self.files, self.bytes_per_token = [path], 6 * self.k

    def open(self) -> Any:
        """See `Format`."""
        import pyarrow as pa

        found = pa.ipc.open_file(pa.memory_map(str(self.files[0]))).read_all()
        return [found[name].chunk(0) for name in ("ids", "log_p")]

    def read(self, sequences: Sequence[int]) -> Pair:
        """See `Format`."""
        ids, log_p = (
            np.concatenate([np.frombuffer(cells[s].as_buffer(), kind) for s in sequences])
            for cells, kind in zip(self.opened, (np.int32, np.float16), strict=True)
        )
        return (
            torch.from_numpy(ids.reshape(-1, self.k)),
            torch.from_numpy(log_p.reshape(-1, self.k)),
        )


class DistillKit(Format):
    """DistillKit's recommended settings, its writer's schema, and its own decompression."""

    name = "DistillKit, recommended"
    SETTINGS: ClassVar[dict[str, Any]] = {
        "exact_k": 16,
        "exact_dtype": "bfloat16",
        "polynomial_terms": [0, 1, 2, 3, 4, "sqrt"],
        "term_dtype": "float32",
        "residual_bins": [],
        "delta_encoding": False,
        "error_diffusion": False,
    }

    def __init__(self, folder: Path, signal: Signal):
        import pyarrow as pa
        import pyarrow.parquet as pq
        from distillkit.compression.compressor import LogprobCompressor
        from distillkit.compression.config import DistributionQuantizationConfig

        k = signal.ids.shape[1]
        config = DistributionQuantizationConfig(d=signal.vocabulary, k=k, **self.SETTINGS)
        self.compressor = LogprobCompressor(config=config)
        columns: dict[str, list[Any]] = {"compressed_logprobs": [], "bytepacked_indices": []}
        for s in range(signal.sequences):
            rows = signal.rows(s)
            packed = self.compressor.compress_from_sparse(
                torch.from_numpy(signal.ids[rows]), torch.from_numpy(signal.log_p[rows])
            )
            for name, cells in columns.items():
                cells.append(packed[name].tolist())
        kind = pa.list_(pa.list_(pa.uint8()))
        path = folder / "distillkit.parquet"
        pq.write_table(pa.table({n: pa.array(c, kind) for n, c in columns.items()}), path)
        self.files, self.bytes_per_token = [path], config.total_bits() / 8
        self.cache = folder / "datasets"
        self.open()
        self.files += sorted(self.cache.rglob("*.arrow"))

    def open(self) -> Any:
        """See `Format`; the way of `datasets`, which writes an Arrow file at first."""
        import datasets

        datasets.disable_progress_bars()
        found = datasets.load_dataset(
            "parquet", data_files=str(self.files[0]), cache_dir=str(self.cache)
        )
        return found["train"]

    def read(self, sequences: Sequence[int]) -> Pair:
        """See `Format`."""
        ids, log_p = [], []
        for s in sequences:
            row = {name: torch.tensor(cell) for name, cell in self.opened[s].items()}
            found = self.compressor.decompress_to_sparse(row)
            ids.append(found[0])
            log_p.append(found[1])
        return torch.cat(ids), torch.cat(log_p)


def formats(distillkit: Path | None) -> list[type[Format]]:
    """All that can be measured here."""
    found: list[type[Format]] = [Plain, Packed, RawNumpy, SafetensorsSlices, ArrowFile]
    if distillkit is not None:
        sys.path.insert(0, str(distillkit))
        found.append(DistillKit)
    return found
