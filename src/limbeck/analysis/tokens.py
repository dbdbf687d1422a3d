"""Means over the tokens of texts, with intervals that resample texts, and by kind of token."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import floats, same_length
from .clustered import ends, resampled, totals
from .estimate import Estimate

_ONE_TEXT = "one text says nothing about others: the interval has no width"


def token_means(
    values: Mapping[str, ArrayLike], text: ArrayLike, seed: int = 0
) -> dict[str, Estimate]:
    """Mean of each number over all tokens; texts are resampled, because their tokens are not alone.

    Args:
        values: Name to one number per token, ``[N]``.
        text: Which text each token stands in, ``[N]``.
        seed: Seed of the resampling, the same draws for every number.

    Raises:
        ValueError: An array is empty or not finite, or lengths differ.
    """
    which = floats(text, "text")
    columns = {name: floats(numbers, name) for name, numbers in values.items()}
    same_length(text=which, **columns)
    table = np.stack(list(columns.values()), axis=1)
    sums, sizes = totals(table, which.tolist())
    means, texts = table.mean(axis=0), len(sizes)
    low = high = means
    if texts > 1:
        low, high = ends(resampled(sums, sizes, np.random.default_rng(seed)), texts)
    note = None if texts > 1 else _ONE_TEXT
    return {
        name: Estimate(
            mean, min(least, mean), max(most, mean), len(table), note=note, clusters=texts
        )
        for name, mean, least, most in zip(columns, means, low, high, strict=True)
    }


def by_position(values: Mapping[str, ArrayLike], position: ArrayLike) -> list[dict[str, Any]]:
    """Means by place in the text: 1, 2-3, 4-7, 8-15 ... , each group twice as wide as the last.

    Args:
        values: Name to one number per token, ``[N]``.
        position: Place of each token in its text, ``[N]``, from 1.
    """
    place = np.floor(np.log2(floats(position, "position"))).astype(int)
    names = {g: f"{2**g}-{2 ** (g + 1) - 1}" if g else "1" for g in range(place.max() + 1)}
    return _by_group(values, place, names)


def by_rarity(values: Mapping[str, ArrayLike], token: ArrayLike) -> list[dict[str, Any]]:
    """Means by how often the token of the text occurs in all the texts together, rarest first.

    Args:
        values: Name to one number per token, ``[N]``.
        token: Id of the token that stands there, ``[N]``.
    """
    _, where, count = np.unique(np.asarray(token), return_inverse=True, return_counts=True)
    share = (count / count.sum())[where]
    edges = (1e-4, 1e-3, 1e-2, 1e-1)
    names = ["below 0.01%", "0.01-0.1%", "0.1-1%", "1-10%", "10% and more"]
    group = np.searchsorted(edges, share, side="right")
    return _by_group(values, group, dict(enumerate(names)))


def _by_group(
    values: Mapping[str, ArrayLike], group: NDArray[np.int_], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    columns = {name: floats(numbers, name) for name, numbers in values.items()}
    same_length(group=group, **columns)
    return [
        {
            "name": names[g],
            "tokens": int((group == g).sum()),
            **{name: float(numbers[group == g].mean()) for name, numbers in columns.items()},
        }
        for g in np.unique(group).tolist()
    ]
