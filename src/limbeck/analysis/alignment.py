"""The same items on both sides: ids matched before anything is compared."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_SHOWN = 10


def aligned(ids_a: Sequence[Hashable], ids_b: Sequence[Hashable]) -> NDArray[np.intp]:
    """Find each of the items of one side on the other, so that both come in the same order.

    With ``at = aligned(ids_a, ids_b)``, the array ``b[at]`` is in the order of a.

    Args:
        ids_a: One id per item of one side, without repetition.
        ids_b: The ids of the other side, in any order.

    Raises:
        ValueError: An id is missing on one side, or comes twice on one; the ids are named.
    """
    for name, ids in (("a", ids_a), ("b", ids_b)):
        twice = [one for one, count in Counter(ids).items() if count > 1]
        if twice:
            raise ValueError(f"items that come more than once in {name}: {_named(twice)}")
    where = {one: i for i, one in enumerate(ids_b)}
    known = set(ids_a)
    missing = [
        f"{len(ids)} missing in {name}: {_named(ids)}"
        for name, ids in (
            ("b", [one for one in ids_a if one not in where]),
            ("a", [one for one in ids_b if one not in known]),
        )
        if ids
    ]
    if missing:
        raise ValueError(f"both sides must hold the same items; {'; '.join(missing)}")
    return np.fromiter((where[one] for one in ids_a), np.intp, len(where))


def cluster_codes(clusters: Sequence[Hashable], n: int) -> NDArray[np.intp]:
    """Each item's cluster as a number from 0, in order of first appearance.

    Args:
        clusters: A label per item: the document, problem family or patient it comes from.
        n: Number of items.

    Raises:
        ValueError: There are more or fewer labels than items, or an item has none.
    """
    labels = list(clusters)
    if len(labels) != n:
        raise ValueError(f"clusters must name one per item, but has {len(labels)} for {n} items")
    for i, label in enumerate(labels):
        if label is None or label != label:
            raise ValueError(f"clusters holds {label} at item {i}; every item needs its cluster")
    codes: dict[Hashable, int] = {}
    return np.fromiter((codes.setdefault(one, len(codes)) for one in labels), np.intp, n)


def _named(ids: Sequence[Hashable]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(repr(one) for one in ids[:_SHOWN]) + more
