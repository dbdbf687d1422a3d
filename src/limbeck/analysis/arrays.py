"""Checks of the arrays that statistics are computed from; every refusal names the array."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def floats(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A non-empty vector of finite numbers, or ValueError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a non-empty vector, got shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name} holds {array[bad[0]]} at item {bad[0]}; leave such items out first"
        )
    return array


def outcomes(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """A non-empty vector of right/wrong (bool, or numbers 0 and 1), or ValueError."""
    array = floats(values, name)
    bad = np.flatnonzero((array != 0) & (array != 1))
    if bad.size:
        raise ValueError(
            f"{name} holds {array[bad[0]]} at item {bad[0]}; only right (1) or wrong (0)"
        )
    return array.astype(np.bool_)


def same_length(**arrays: NDArray) -> None:
    """Raise ValueError, naming the lengths, unless all arrays describe the same items."""
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} has {len(array)}" for name, array in arrays.items())
        raise ValueError(f"both sides must hold the same items, but {lengths}")
