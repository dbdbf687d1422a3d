"""Token ids in fewer bytes: 16 low bits each, and the few high bits packed together."""

import functools

import numpy as np
from numpy.typing import NDArray

LOW_BITS = 16


def high_bits(vocabulary: int) -> int:
    """Bits that an id needs beyond 16, rounded up to a divisor of 8: 0, 1, 2, 4 or 8."""
    over = max(0, (vocabulary - 1).bit_length() - LOW_BITS)
    return next(width for width in (0, 1, 2, 4, 8) if width >= over)


def packed_width(count: int, vocabulary: int) -> int:
    """Bytes that the high bits of so many ids take."""
    return -(-count * high_bits(vocabulary) // 8)


def split(ids: NDArray[np.int64], vocabulary: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Low and packed high bits.

    Args:
        ids: ``[n, k]``, each below ``vocabulary``.
        vocabulary: V, at most 2**24.

    Returns:
        uint16 ``[n, k]`` and uint8 ``[n, packed_width(k, V)]``.
    """
    low = (ids & 0xFFFF).astype(np.uint16)
    width, count = high_bits(vocabulary), ids.shape[1]
    if width == 0:
        return low, np.zeros((len(ids), 0), np.uint8)
    each = 8 // width
    high = np.zeros((len(ids), packed_width(count, vocabulary) * each), np.uint8)
    high[:, :count] = ids >> LOW_BITS
    shifts = (np.arange(each) * width).astype(np.uint8)
    parts = high.reshape(len(ids), high.shape[1] // each, each) << shifts
    return low, np.bitwise_or.reduce(parts, axis=-1).astype(np.uint8)


def join(low: NDArray[np.uint16], packed: NDArray[np.uint8], vocabulary: int) -> NDArray[np.int32]:
    """The ids that `split` took apart, int32 ``[n, k]``.

    A table turns a byte into as many ids without their low bits as it holds. This is half of what
    bounds the reading speed of a cache.
    """
    rows, count = low.shape
    if not (width := high_bits(vocabulary)):
        return low.astype(np.int32)
    high = np.take(_table(width), packed.ravel(), axis=0, mode="clip")
    ids = high.reshape(rows, packed.shape[1] * 8 // width)[:, :count]
    return np.bitwise_or(ids, low, out=ids)


@functools.cache
def _table(width: int) -> NDArray[np.int32]:
    """The high bits that each byte holds, in their place: ``[256, 8 / width]``."""
    shifts = np.arange(8 // width) * width
    values = np.arange(256)[:, None] >> shifts & (2**width - 1)
    return (values << LOW_BITS).astype(np.int32)
