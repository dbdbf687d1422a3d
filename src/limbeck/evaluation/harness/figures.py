"""The harness's figures with our intervals."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from limbeck.analysis import Estimate, mean_interval, proportion
from limbeck.evaluation.harness.rows import Sample, metric_name

RESAMPLES = 200
_NORMAL = 1.959964
_RATES = {"invalid_rate": "invalid", "truncation_rate": "truncated"}


def task_metrics(
    task: Any,
    samples: Sequence[Sample],
    rows: Mapping[str, list[Any]],
    context_cut: Sequence[bool],
    seed: int,
) -> dict[str, Estimate | None]:
    """Ours and the harness's figures of one task.

    A mean has its usual interval. What the harness computes over all items otherwise, such as F1 or
    perplexity, has a normal one from resampled items.
    """
    from lm_eval.api.metrics import mean

    correct = rows["correct"]
    figures: dict[str, Estimate | None] = {
        "accuracy": proportion(correct) if None not in correct else None
    }
    figures |= {name: proportion(rows[column]) for name, column in _RATES.items()}
    figures["context_cut_rate"] = proportion(context_cut)
    values: dict[tuple[str, str], list[Any]] = {}
    for sample in samples:
        for metric in sample["metrics"]:
            values.setdefault((metric, sample["filter"]), []).append(sample[metric])
    for (metric, filtered), items in values.items():
        aggregate = task.aggregation().get(metric, mean)
        plain = aggregate is mean and all(isinstance(item, Real) for item in items)
        made = _mean(items, seed) if plain else _resampled(aggregate, items, seed)
        figures[metric_name(metric, filtered)] = made
    return figures


def group_metrics(
    aggregated: Mapping[str, Any],
    members: Sequence[Mapping[str, Estimate | None]],
    main: str,
    by_size: Mapping[str, bool],
) -> dict[str, Estimate | None]:
    """Figures of a group: the harness's means over its tasks, and the rates over all their items.

    The tasks are the group, and not a sample of tasks: the interval's variance is that of the
    weighted sum of the tasks' own.

    Args:
        aggregated: The harness's figures of the group, by ``metric,filter``.
        members: Figures of its tasks.
        main: The metric that is reported as accuracy.
        by_size: Whether the harness weighs the tasks by their items, by metric.
    """
    figures: dict[str, Estimate | None] = {"accuracy": None}
    for name in (*_RATES, "context_cut_rate"):
        figures[name] = _weighted([m[name] for m in members], None, True)
    for key, value in aggregated.items():
        metric, comma, filtered = key.partition(",")
        if not comma or metric not in by_size or not isinstance(value, Real):
            continue
        name = metric_name(metric, filtered)
        figures[name] = _weighted(
            [m[name] for m in members if name in m], float(value), by_size[metric]
        )
    figures["accuracy"] = figures.get(main)
    return figures


def _mean(items: Sequence[Any], seed: int) -> Estimate | None:
    numbers = [float(item) for item in items]
    if not all(map(math.isfinite, numbers)):
        return None
    if set(numbers) <= {0.0, 1.0}:
        return proportion([bool(number) for number in numbers])
    return mean_interval(numbers, seed)


def _resampled(aggregate: Any, items: Sequence[Any], seed: int) -> Estimate | None:
    draw = np.random.default_rng(seed)
    value = _number(aggregate, items)
    if value is None:
        return None
    found = [
        _number(aggregate, [items[i] for i in draw.integers(len(items), size=len(items))])
        for _ in range(RESAMPLES)
    ]
    numbers = [number for number in found if number is not None]
    half = _NORMAL * float(np.std(numbers, ddof=1)) if len(numbers) > 1 else math.nan
    if not math.isfinite(half):
        return None
    note = f"normal interval, standard error of {len(numbers)} resamples"
    return Estimate(value, value - half, value + half, len(items), note=note)


def _number(aggregate: Any, items: Sequence[Any]) -> float | None:
    try:
        value = float(aggregate(list(items)))
    except (ArithmeticError, TypeError, ValueError):  # undefined for these items
        return None
    return value if math.isfinite(value) else None


def _weighted(
    parts: Sequence[Estimate | None], value: float | None, by_size: bool
) -> Estimate | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    sizes = [part.n if by_size else 1 for part in known]
    weights = [size / sum(sizes) for size in sizes]
    mean = sum(w * part.value for w, part in zip(weights, known, strict=True))
    centre = mean if value is None else value
    half = math.hypot(
        *(w * (part.high - part.low) / 2 for w, part in zip(weights, known, strict=True))
    )
    low, high = centre - half, centre + half
    if all(part.low >= 0 and part.high <= 1 for part in known):
        low, high = max(0.0, low), min(1.0, high)
    note = f"weighted mean of {len(known)} tasks"
    return Estimate(centre, low, high, sum(part.n for part in known), note=note)
