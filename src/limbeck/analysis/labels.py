"""Labels against labels: Cohen's kappa, plain and linearly weighted, and macro-F1."""

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate

RESAMPLES = 10_000
_NORMAL = 1.959963984540054  # 97.5th percentile
_CELLS = 2_000_000  # resampled counts held at a time: 16 MB


def kappa(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    weights: Literal["linear"] | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Estimate | None:
    r"""Cohen's kappa: agreement beyond that of two raters who answer at random at the same rates.

    .. math:: \kappa = 1 - \frac{\sum w_{ij} O_{ij}}{\sum w_{ij} E_{ij}}, \quad
              w_{ij} = [i \ne j] \text{ or } |i - j| / (k - 1)

    The interval is the large-sample one of Fleiss, Cohen and Everitt 1969, cut at -1 and 1.

    Args:
        a: Labels of one side, ``[n]``.
        b: Labels of the other side, on the same items.
        weights: ``"linear"`` counts a miss by its distance in ``labels``; else a miss is a miss.
        labels: All labels, in their order; by default those that occur, sorted. Give it with
            weights: a grade that nobody chose still lies between its neighbours.

    Returns:
        The kappa, or None where both sides give one and the same label throughout: chance agrees
        on everything there, and kappa is 0/0.

    Raises:
        ValueError: A side is empty, lengths differ, the weighting is unknown, or a label is not
            among ``labels`` or twice.
    """
    if weights not in (None, "linear"):
        raise ValueError(f"weights must be None or 'linear', got {weights!r}")
    _same_items(a=a, b=b)
    order = _order({*a, *b}, weights is not None) if labels is None else list(labels)
    table = _table(a, b, order, order)
    if (table.sum(axis=0) * table.sum(axis=1)).max() == table.sum() ** 2:
        return None

    from statsmodels.stats.inter_rater import cohens_kappa

    with np.errstate(invalid="ignore"):  # its tests of kappa = 0 are 0/0 for a single item
        found: Any = cohens_kappa(table, wt=weights)
    value = float(found.kappa)
    half = _NORMAL * float(np.sqrt(max(0.0, found.var_kappa)))  # 0 can round to less
    note = "both sides agree on every item" if np.trace(table) == table.sum() else None
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Estimate(value, min(low, value), max(high, value), len(a), note)


def macro_f1(
    predicted: Sequence[Hashable],
    gold: Sequence[Hashable],
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Estimate:
    """Mean of the classes' F1 scores, each class counting alike, with a bootstrap interval.

    A prediction that is none of the labels (None for no answer) is a miss of the true class and
    makes no class of its own. A class that nobody gave and nobody predicted scores 0.

    Args:
        predicted: Labels predicted, ``[n]``.
        gold: True labels of the same items.
        labels: The classes; by default those of ``gold``.
        seed: Seed of the resampling of items.

    Raises:
        ValueError: A side is empty, lengths differ, or a true label is not among ``labels``, or
            one twice.
    """
    _same_items(predicted=predicted, gold=gold)
    order = list(dict.fromkeys(gold)) if labels is None else list(labels)
    known, other = set(order), object()
    columns: list[Hashable] = [*order, other]
    found = [label if label in known else other for label in predicted]
    table = _table(gold, found, order, columns)
    rng = np.random.default_rng(seed)
    step = max(1, min(RESAMPLES, _CELLS // table.size))
    scores = []
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        # Drawing n items again is drawing n times from the cells of their table.
        drawn = rng.multinomial(len(gold), table.ravel() / len(gold), size=rows)
        scores.append(_macro_f1(drawn.reshape(rows, *table.shape)))
    value = float(_macro_f1(table[None])[0])
    low, high = np.quantile(np.concatenate(scores), (0.025, 0.975))
    note = "every resample scores the same: the interval has no width" if low == high else None
    return Estimate(value, min(low, value), max(high, value), len(gold), note)


def _macro_f1(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1 of count tables ``[..., true, predicted]``, the last column being no class."""
    size = tables.shape[1]
    hits = np.diagonal(tables[:, :, :size], axis1=1, axis2=2)
    both = tables.sum(axis=2) + tables[:, :, :size].sum(axis=1)
    return (2 * hits / np.maximum(both, 1)).mean(axis=1)


def _table(
    rows: Sequence[Hashable],
    columns: Sequence[Hashable],
    row_labels: Sequence[Hashable],
    column_labels: Sequence[Hashable],
) -> NDArray[np.int64]:
    counts = np.zeros((len(row_labels), len(column_labels)), np.int64)
    np.add.at(counts, (_places(rows, row_labels), _places(columns, column_labels)), 1)
    return counts


def _places(values: Sequence[Hashable], labels: Sequence[Hashable]) -> NDArray[np.intp]:
    where = {label: i for i, label in enumerate(labels)}
    if len(where) < len(labels):
        raise ValueError(f"a label stands twice among the labels: {list(labels)}")
    for i, value in enumerate(values):
        if value not in where:
            raise ValueError(f"item {i} is labelled {value!r}, which is not among the labels")
    return np.fromiter((where[value] for value in values), np.intp, len(values))


def _order(labels: set[Hashable], matters: bool) -> list[Hashable]:
    if matters:
        return sorted(labels)  # type: ignore[type-var]
    return list(labels)


def _same_items(**sides: Sequence[Hashable]) -> None:
    lengths = {name: len(side) for name, side in sides.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"both sides must hold the same items, but {shown}")
    if not all(lengths.values()):
        raise ValueError(f"{' and '.join(lengths)} are empty")
