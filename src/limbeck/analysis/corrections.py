"""Many tests at once: p values corrected over their family."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import floats
from .estimate import Comparison, Effect

Tested = TypeVar("Tested", Comparison, Effect)
_NAMES = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """P values that keep the chance of *any* false alarm in the family at its level.

    Holm 1979: the i-th smallest of m is multiplied by ``m - i + 1``, and none falls below the one
    before it. Valid however the tests depend on one another.

    Args:
        p: The family's p values, ``[m]``.

    Raises:
        ValueError: The family is empty, or a value is no probability.
    """
    values = _probabilities(p)
    order, adjusted = np.argsort(values), np.empty(values.size)
    times = np.arange(values.size, 0, -1)
    adjusted[order] = np.maximum.accumulate(times * values[order]).clip(max=1.0)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """P values that keep the expected *share* of false alarms among the alarms at its level.

    Benjamini and Hochberg 1995: the i-th smallest of m is multiplied by ``m / i``, and none is
    above the one after it. For tests that are independent or depend positively.

    Args:
        p: The family's p values, ``[m]``.

    Raises:
        ValueError: The family is empty, or a value is no probability.
    """
    values = _probabilities(p)
    order, adjusted = np.argsort(values)[::-1], np.empty(values.size)
    times = values.size / np.arange(values.size, 0, -1)
    adjusted[order] = np.minimum.accumulate(times * values[order]).clip(max=1.0)
    return adjusted


def corrected(
    family: Mapping[str, Tested], method: Literal["holm", "bh"] = "holm"
) -> dict[str, Tested]:
    """The same results, each with its corrected p and the name of the correction.

    Args:
        family: Results that are read together, by name: one model pair over all tasks, say.
        method: ``holm`` (any false alarm) or ``bh`` (share of false alarms).

    Raises:
        ValueError: The method is unknown.
    """
    if method not in _NAMES:
        raise ValueError(f"method must be one of {', '.join(_NAMES)}, got {method!r}")
    if not family:
        return {}
    adjust = holm if method == "holm" else benjamini_hochberg
    label = f"{_NAMES[method]} over {len(family)}"
    values = adjust([result.p for result in family.values()])
    return {
        name: replace(result, correction=label, p_corrected=float(p))
        for (name, result), p in zip(family.items(), values, strict=True)
    }


def _probabilities(p: ArrayLike) -> NDArray[np.float64]:
    values = floats(p, "p")
    bad = np.flatnonzero((values < 0) | (values > 1))
    if bad.size:
        raise ValueError(f"p holds {values[bad[0]]} at test {bad[0]}; it must be from 0 to 1")
    return values
