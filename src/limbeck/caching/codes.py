"""Log-probabilities in one byte.

Codes 0 to 192 are 1/16 of a nat apart and reach 12 nats down; the other 63 are 1/4 of a nat apart
and reach to 27.75, which is a probability of 9e-13. Whatever lies lower gets the last code.
"""

import numpy as np
from numpy.typing import NDArray

FINE, COARSE = 1 / 16, 1 / 4
FINE_CODES = 192
KNEE = FINE_CODES * FINE
DEEPEST = KNEE + (255 - FINE_CODES) * COARSE

_CODES = np.arange(256)
_VALUES = -np.where(
    _CODES <= FINE_CODES, _CODES * FINE, KNEE + (_CODES - FINE_CODES) * COARSE
).astype(np.float32)


def to_codes(log_p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The nearest codes.

    Args:
        log_p: At most 0.

    Returns:
        uint8, same shape. Off by at most 1/32 nat down to -12 and 1/8 nat down to -27.75.
    """
    depth = -log_p
    coarse = FINE_CODES + (np.minimum(depth, DEEPEST) - KNEE) / COARSE
    return np.rint(np.where(depth <= KNEE, depth / FINE, coarse)).clip(0, 255).astype(np.uint8)


def from_codes(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The log-probabilities that codes stand for, float32."""
    return np.take(_VALUES, codes, mode="clip")  # twice as fast as an index
