"""The harness's samples as rows of ours, an item each."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from limbeck.evaluation.harness.result import COLUMNS

Sample = Mapping[str, Any]

_PREFERRED = ("acc_norm", "acc", "exact_match")
_LENGTHS: dict[str, Callable[[str], int]] = {
    "acc": lambda text: 1,
    "acc_norm": len,
    "acc_bytes": lambda text: len(text.encode("utf-8", "surrogatepass")),
}


def metric_name(metric: str, filtered: str) -> str:
    """As the harness prints it, without the filter where that is none."""
    return metric if filtered == "none" else f"{metric},{filtered}"


def main_metric(samples: Sequence[Sample]) -> tuple[str, str]:
    """The metric and the filter that say what is correct; see `HarnessResult.main`."""
    filters = list(dict.fromkeys(s["filter"] for s in samples))
    chosen = "flexible-extract" if "flexible-extract" in filters else filters[0]
    own = [s for s in samples if s["filter"] == chosen]
    names = list(dict.fromkeys(name for s in own for name in s["metrics"]))
    names.sort(key=lambda n: _PREFERRED.index(n) if n in _PREFERRED else len(_PREFERRED))
    for name in names:
        if all(_zero_or_one(s.get(name)) for s in own):
            return name, chosen
    return names[0] if names else "", chosen


def to_rows(
    task: Any, samples: Sequence[Sample], main: tuple[str, str], cut: Callable[[Any], bool]
) -> dict[str, list[Any]]:
    """Columns of `COLUMNS`, of the samples of the main metric's filter.

    Args:
        task: The harness's.
        samples: Of all filters.
        main: Metric and filter.
        cut: Whether the answer to a request's arguments reached the token limit.
    """
    metric, chosen = main
    own = [s for s in samples if s["filter"] == chosen]
    graded = all(_zero_or_one(s.get(metric)) for s in own)
    no_answer = _fallbacks(task, chosen)
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for sample in own:
        requests = sample["arguments"]
        name = f"{task.task_name}/{sample['doc_id']}/{sample['doc_hash'][:16]}"
        output, gold, extracted, invalid = _read(task, sample, metric, no_answer)
        values = (
            name,
            name,
            "\n".join(dict.fromkeys(str(request[0]) for request in requests)),
            output,
            _json(gold),
            _json(extracted),
            bool(sample[metric]) and not invalid if graded else None,
            invalid,
            any(cut(request) for request in requests),
        )
        for column, value in zip(COLUMNS, values, strict=True):
            rows[column].append(value)
    return rows


def _read(
    task: Any, sample: Sample, metric: str, no_answer: Sequence[Any]
) -> tuple[str, Any, Any, bool]:
    """Output, gold, extracted answer, and whether there is none."""
    answers = [repeats[0] if len(repeats) == 1 else list(repeats) for repeats in sample["resps"]]
    if task.OUTPUT_TYPE == "generate_until":
        found = sample["filtered_resps"][0]
        output = answers[0] if isinstance(answers[0], str) else _json(answers[0])
        empty = isinstance(found, str) and not found.strip()
        return output, sample["target"], found, empty or found in no_answer
    sums = [a[0] if isinstance(a, tuple | list) else a for a in answers]
    invalid = any(math.isnan(value) for value in sums)
    gold, chosen = sample["target"], None
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(sample["doc"])
        if getattr(task, "multiple_input", 0):
            gold = task.doc_to_text(sample["doc"])
        if isinstance(gold, str) and gold in choices:
            gold = choices.index(gold)
        if metric in _LENGTHS and not invalid:
            length = _LENGTHS[metric]
            # More sums than choices: the second half is of the choices alone, for another metric.
            scores = [s / max(1, length(c)) for s, c in zip(sums, choices, strict=False)]
            chosen = scores.index(max(scores))
    return json.dumps(sums), gold, chosen, invalid


def _fallbacks(task: Any, chosen: str) -> list[Any]:
    """What the filter's steps give where they find no answer."""
    given: list[Any] = ["[invalid]", ["invalid"]]
    for described in task.get_config("filter_list") or []:
        if described["name"] == chosen:
            given += [step["fallback"] for step in described["filter"] if "fallback" in step]
    return given


def _zero_or_one(value: Any) -> bool:
    return isinstance(value, Real) and float(value) in (0.0, 1.0)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
