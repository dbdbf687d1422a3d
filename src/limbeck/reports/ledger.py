"""The small print of a run, as pairs of name and value: text, data, costs, environment."""

from collections.abc import Mapping
from typing import Any

from . import words
from .facts import Results

Pairs = list[tuple[str, str]]


def text(results: Results) -> Pairs:
    """How much of the training text had a label, and how much came from teacher or student."""
    found = results.get("text") or {}
    # Most runs can have neither: one answer to each prompt, and nothing is verified.
    rare = ("wrong", "duplicates")
    return _present(
        {key: value for key, value in found.items() if value or key not in rare},
        ("prompts", "Training prompts", words.count),
        ("labelled", "with a label of their own", words.count),
        ("answered_by_teacher", "answered by the teacher", words.count),
        ("answers", "answers it gave", words.count),
        ("finished", "teacher answers that ended by themselves", words.count),
        ("kept", "teacher answers that are kept for training", words.count),
        ("unfinished", "left out: cut at the length limit", words.count),
        ("wrong", "left out: the verifier says they are wrong", words.count),
        ("duplicates", "left out: said before to the same prompt", words.count),
        ("correct", "teacher answers that are right", words.percent),
        ("on_policy_tokens", "tokens the student wrote for training", words.count),
        ("tokens_generated", "tokens generated in all", words.count),
    )


def data(results: Results) -> Pairs:
    """Where the data come from, how they were split, what was left out."""
    found = results.get("data") or {}
    pairs = _present(
        found,
        ("source", "Source", str),
        ("train", "Training rows", words.count),
        ("validation", "Validation rows", words.count),
        ("test", "Test rows", words.count),
        ("compared", "Rows compared on", words.count),
    )
    for group in ("notes", "truncation"):
        for name, number in (found.get(group) or {}).items():
            pairs.append((name.replace("_", " "), words.count(number)))
    return pairs


def costs(results: Results) -> Pairs:
    """Time of each stage, peak memory, tokens generated, and what a served teacher cost."""
    found = results.get("costs") or {}
    stages = found.get("wall_seconds") or {}
    pairs = [
        (stage.replace("_", " "), words.duration(seconds)) for stage, seconds in stages.items()
    ]
    if len(stages) > 1:
        pairs.append(("all stages", words.duration(sum(filter(words.known, stages.values())))))
    pairs += _present(
        found,
        ("peak_memory_bytes", "peak memory", words.memory),
        ("tokens_generated", "tokens generated", words.count),
    )
    return pairs + _present(
        found.get("teacher") or {},
        ("answers", "answers of the served teacher", words.count),
        ("tokens_in", "tokens of its prompts", words.count),
        ("tokens_out", "tokens of its answers", words.count),
        ("money", "money it cost, by the recipe's prices", _money),
    )


def environment(results: Results) -> Pairs:
    """Versions and hardware."""
    found = results.get("environment") or {}
    return [(name, str(value)) for name, value in found.items() if value is not None]


def method(results: Results) -> Pairs:
    """The method, its loss, whose text it was trained on, and its options."""
    found = results.get("method") or {}
    pairs = _present(
        found, ("name", "Method", str), ("formula", "Loss", str), ("source", "Text", str)
    )
    return pairs + [(name, str(value)) for name, value in (found.get("options") or {}).items()]


def _money(amount: words.Number) -> str:
    return words.decimal(amount, 4)


def _present(found: Mapping[str, Any], *lines: tuple[str, str, Any]) -> Pairs:
    return [(name, write(found[key])) for key, name, write in lines if found.get(key) is not None]
