"""``results.json``: what was measured, put together from finished stages."""

import dataclasses
import importlib.metadata
import math
import platform
import sys
import time
from typing import Any

import numpy as np

from limbeck.analysis import mcnemar, paired_ratio_bootstrap, proportion, ratio_of_sums
from limbeck.bench import Bench
from limbeck.run.measure import Measured

SCHEMA = "limbeck.results/1"
SAMPLES = 12
PAIRS = (
    ("student", "sft"), ("student", "before"), ("student", "teacher"), ("sft", "teacher"),
    ("student", "control_gold"), ("student", "control_labelled"), ("control_labelled", "sft"),
    ("student", "one_shot"), ("one_shot", "sft"), ("student", "control_longer"),
    ("student", "control_resample"), ("student", "control_shuffled"), ("student", "control_blind"),
)  # fmt: skip


def evaluation(measured: dict[str, Measured], bench: Bench, max_new_tokens: int) -> dict[str, Any]:
    """Each model's scores with 95 % intervals."""
    items = len(next(iter(measured.values())).items["key"])
    metrics = {arm: _scores(m) for arm, m in measured.items()}
    bound = max_new_tokens if bench.has_answers else None
    return {
        "items": items,
        "kind": bench.examples.kind,
        "max_new_tokens": bound,
        "metrics": metrics,
    }


def comparisons(measured: dict[str, Measured]) -> list[dict[str, Any]]:
    """Pairs of models on the same items: exact McNemar, and a paired bootstrap of bits per byte."""
    found = []
    for a, b in PAIRS:
        if a not in measured or b not in measured:
            continue
        one, other = measured[a], measured[b]
        if (right := one.array("correct")) is not None and (
            rival := other.array("correct")
        ) is not None:
            found.append({"a": a, "b": b, "metric": "accuracy", **mcnemar(right, rival).as_dict()})
        bits, rival_bits = _bits(one), _bits(other)
        if bits is not None and rival_bits is not None:
            size = one.array("bytes")
            assert size is not None
            result = paired_ratio_bootstrap(bits, rival_bits, size)
            found.append({"a": a, "b": b, "metric": "bits_per_byte", **result.as_dict()})
    return found


def faithfulness(measured: dict[str, Measured], text: str) -> dict[str, Any]:
    """Token-level nearness of each student to the teacher, on the data's or the teacher's text."""
    found: dict[str, Any] = {}
    for arm, m in measured.items():
        positions = m.array("positions")
        if positions is None:
            continue
        columns = {
            "kl_teacher_student": "kl_teacher_student",
            "kl_student_teacher": "kl_student_teacher",
            "top1_agreement": "agree",
        }
        entry: dict[str, Any] = {
            name: ratio_of_sums(values, positions).as_dict()
            for name, column in columns.items()
            if (values := m.array(column)) is not None and np.isfinite(values).all()
        }
        found[arm] = {**entry, "tokens": int(positions.sum()), "text": text}
    return found


def samples(measured: dict[str, Measured]) -> list[dict[str, Any]]:
    """A few items side by side: where baseline and student differ first, then any others."""
    first = next(iter(measured.values())).items
    if "output" not in first:
        return []
    right = {arm: m.items["correct"] for arm, m in measured.items()}
    student, rival = right["student"], right.get("sft", right.get("before"))
    count = len(first["key"])
    differ = [i for i in range(count) if rival is not None and student[i] != rival[i]]
    wrong = [i for i in range(count) if not student[i] and i not in set(differ)]
    rest = [i for i in range(count) if i not in set(differ) | set(wrong)]
    chosen = [*differ[: SAMPLES // 2], *wrong[: SAMPLES // 4], *rest][:SAMPLES]
    return [
        {
            "prompt": first["prompt"][i],
            "answer": first["answer"][i],
            "outputs": {
                arm: {"text": m.items["output"][i], "correct": m.items["correct"][i]}
                for arm, m in measured.items()
            },
        }
        for i in chosen
    ]


def data_section(bench: Bench) -> dict[str, Any]:
    """What was read, split, truncated and dropped."""
    examples = bench.examples
    truncation: dict[str, int] = {}
    for name, value in bench.counts["train"].items():
        truncation[name] = value
    return {
        "source": bench.recipe.data.source,
        "train": len(examples.train),
        "validation": len(examples.validation),
        "test": len(examples.test),
        "notes": examples.notes,
        "truncation": truncation | {"max_length": bench.max_length},
    }


def method_section(bench: Bench) -> dict[str, Any]:
    """Which method, with which options."""
    method, options = bench.method, dict(bench.recipe.method)
    name = options.pop("name")
    chosen = dataclasses.asdict(method)
    return {
        "name": name,
        "formula": method.formula,
        "options": chosen,
        "source": "teacher" if method.teacher_writes else "data",
        "paper": {"title": method.paper.title, "url": method.paper.url},
    }


def environment() -> dict[str, Any]:
    """Versions and machine."""
    import torch
    import transformers

    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU"
    )
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "limbeck": importlib.metadata.version("limbeck"),
        "device": device,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def now() -> str:
    """This moment, with its time zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _scores(m: Measured) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if (right := m.array("correct")) is not None:
        scores["accuracy"] = proportion(right).as_dict()
        finished = m.array("finished")
        assert finished is not None
        scores["truncated"] = float(1 - finished.mean())
    if (bits := _bits(m)) is not None:
        size, tokens, nats = m.array("bytes"), m.array("nats_tokens"), m.array("nats")
        assert size is not None and tokens is not None and nats is not None
        scores["bits_per_byte"] = ratio_of_sums(bits, size).as_dict()
        scores["perplexity"] = float(math.exp(min(700.0, nats.sum() / tokens.sum())))
    return scores


def _bits(m: Measured) -> np.ndarray | None:
    nats = m.array("nats")
    return None if nats is None else nats / math.log(2)
