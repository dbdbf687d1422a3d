"""How much is in work at once: chunks of rows for the products, blocks of a chunk for the cache."""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

Block = Callable[[Tensor, slice], Mapping[str, Tensor]]
Result = tuple[dict[str, Tensor], Tensor]

TILES = 2  # chunk-sized tensors: logits of the student and of the teacher
TILES_ELSEWHERE = 3  # on an accelerator a chunk is one block, and its gradient a tensor of its own
# A product of so many rows is bound by arithmetic, not by reading the head; measured on a CPU,
# and for an accelerator the ratio of its arithmetic to its memory bandwidth asks for no more.
USEFUL_ROWS = {"cpu": 256}
USEFUL_ROWS_ELSEWHERE = 512
USEFUL_BYTES = 96 * 2**20  # small vocabularies: below this, the steps between chunks are felt
# A megabyte of float32: in smaller blocks the calls cost more than the cache saves.
BLOCK_ELEMENTS = 2**18


def chunks(rows: int, vocabulary: int, like: Tensor, chunk_bytes: int | None) -> list[slice]:
    """Slices of nearly equal size, together all the rows.

    No rows are one empty slice: a rank without supervised tokens still computes its (zero) terms,
    because the other ranks wait for them.

    Args:
        rows: N.
        vocabulary: V.
        like: A tensor on the device, in the dtype of the hidden states.
        chunk_bytes: Memory for a chunk's logits and their gradient. None takes
            what makes the products efficient, but at most a quarter of what is free.
    """
    each = row_bytes(vocabulary, like.device, like.dtype.itemsize)
    if chunk_bytes is None:
        chunk_bytes = useful_bytes(each, like.device)
    limit = max(1, chunk_bytes // each)
    count = max(1, -(-rows // limit))
    return [slice(i * rows // count, (i + 1) * rows // count) for i in range(count)]


def row_bytes(vocabulary: int, device: torch.device, itemsize: int = 4) -> int:
    """Memory of all that is kept of one row of logits; float32 at least."""
    tiles = TILES if device.type == "cpu" else TILES_ELSEWHERE
    return tiles * vocabulary * max(itemsize, 4)


def useful_bytes(each: int, device: torch.device) -> int:
    """Memory for a chunk's logits that makes products efficient, at most a quarter of what is free.

    Args:
        each: Memory of one row, from `row_bytes`.
        device: Where they are.
    """
    rows = USEFUL_ROWS.get(device.type, USEFUL_ROWS_ELSEWHERE)
    return min(max(USEFUL_BYTES, rows * each), free_bytes(device) // 4)


def free_bytes(device: torch.device) -> int:
    """Memory that could be had now, in bytes; without limit where nobody can tell."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 2**62
    free = dict(line.split(":") for line in lines).get("MemAvailable")
    return int(free.split()[0]) * 1024 if free else 2**62


def run_blocks(
    tile: Tensor, finish: Callable[[Tensor], Tensor], row_loss: Block, wants: bool
) -> Result:
    """Evaluate a chunk block by block, each block's gradient in the place of its logits.

    Args:
        tile: ``[C, V]`` raw logits; with ``wants``, overwritten where there are several blocks.
        finish: From raw logits to logits.
        row_loss: ``(logits [n, V], block) -> {name: [n]}``.
        wants: Whether gradients are wanted.

    Returns:
        The terms, ``{name: [C]}``, and, with ``wants``, the gradient of their sum for the raw
        logits, ``[C, V]``; otherwise the logits.
    """
    if tile.device.type == "cpu":
        keep_freed_memory()
    blocks = _blocks(tile)
    whole = len(blocks) == 1

    def one(block: slice) -> Result:
        with torch.set_grad_enabled(wants):
            raw = tile[block].to(torch.promote_types(tile.dtype, torch.float32)).detach()
            terms = dict(row_loss(finish(raw.requires_grad_(wants)), block))
            _check_rows(terms, len(raw))
            # Copies: a term may be a view of the logits, which are about to be overwritten.
            kept = {name: value.detach().clone() for name, value in terms.items()}
            if wants:
                values = [value for value in terms.values() if value.requires_grad]
                ones = [torch.ones_like(value) for value in values]
                (raw,) = (
                    torch.autograd.grad(values, raw, ones) if values else (torch.zeros_like(raw),)
                )
                if not whole:
                    tile[block] = raw
            return kept, raw if whole else tile

    results = list(_map(one, blocks, tile.device))
    terms = {name: torch.cat([r[name] for r, _ in results]) for name in results[0][0]}
    return terms, results[0][1]


def _check_rows(terms: Mapping[str, Tensor], rows: int) -> None:
    """A sum over rows, or a parameter for all rows of all blocks, would add up to nonsense."""
    for name, value in terms.items():
        if value.shape != (rows,):
            raise ValueError(
                f"the loss {name!r} of {rows} rows has the shape {list(value.shape)}: it must have "
                "one value for each row it is given (parameters per row are cut by `linear_loss`)"
            )


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep what is freed for the next allocation, up to a gigabyte.

    By default glibc hands it back to the system at once and asks for it again a moment later, and
    fresh pages cost a third of the time of all small operations on a block.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 2**30)
        libc.mallopt(trim_threshold, 2**30)


def _blocks(tile: Tensor) -> list[slice]:
    rows, vocabulary = tile.shape
    size = max(1, BLOCK_ELEMENTS // vocabulary) if tile.device.type == "cpu" else max(1, rows)
    return [slice(i, min(i + size, rows)) for i in range(0, max(1, rows), size)]


def _map(
    function: Callable[[slice], Result], blocks: list[slice], device: torch.device
) -> Iterator[Result]:
    """In as many threads as PyTorch may use, each of which then works alone.

    Left to PyTorch, every one of the many small operations would be shared among all threads, and
    on a busy machine waiting for one another costs them many times the work itself.
    """
    threads = min(torch.get_num_threads(), len(blocks)) if device.type == "cpu" else 1
    if threads == 1:
        yield from map(function, blocks)
        return
    pool = _pool(torch.get_num_threads())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from list(pool.map(function, blocks))
    finally:
        torch.set_num_threads(before)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        threads, "limbeck-blocks", initializer=torch.set_num_threads, initargs=(1,)
    )
