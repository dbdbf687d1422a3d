"""Several models on the same tasks, item by item."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limbeck.analysis import Comparison, aligned, clustered_difference, corrected, mcnemar
from limbeck.errors import RequestError
from limbeck.run.tasks import Outcome


def of_tasks(
    found: Mapping[str, Mapping[str, Outcome]], pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Every task with the figures of each model, and their differences tested in pairs.

    Items that share a document are resampled by document; independent ones give an exact McNemar
    test. p is corrected over all tasks and pairs together, after Holm.

    Args:
        found: Model to task to what it made of it.
        pairs: Models that are compared.
    """
    tasks: dict[str, Any] = {}
    tests: dict[str, Comparison] = {}
    for model, outcomes in found.items():
        for name, outcome in outcomes.items():
            task = tasks.setdefault(name, {**outcome.about, "metrics": {}, "comparisons": []})
            task["metrics"][model] = outcome.metrics
    for name in tasks:
        for a, b in pairs:
            one, other = found.get(a, {}).get(name), found.get(b, {}).get(name)
            if one is not None and other is not None and _right_or_wrong(one, other):
                tests[f"{name}\x1e{a}\x1e{b}"] = compared(one, other, name)
    for key, test in corrected(tests).items():
        name, a, b = key.split("\x1e")
        tasks[name]["comparisons"].append({"a": a, "b": b, "metric": "accuracy", **test.as_dict()})
    return tasks


def compared(one: Outcome, other: Outcome, name: str) -> Comparison:
    """One model against another on the same items.

    Raises:
        RequestError: They were asked different items.
    """
    try:
        at = aligned(one.rows["id"], other.rows["id"])
    except ValueError as error:
        raise RequestError(
            f"the models were not asked the same items: {error}",
            where=name,
            mend="evaluate both on the same rows",
        ) from None
    a = np.array(one.rows["correct"], dtype=float)
    b = np.array(other.rows["correct"], dtype=float)[at]
    documents = one.rows["document"]
    if len(set(documents)) < len(documents):
        return clustered_difference(a, b, documents)
    return mcnemar(a, b)


def _right_or_wrong(*outcomes: Outcome) -> bool:
    return all(o.rows and None not in o.rows["correct"] for o in outcomes)
