"""``results.json``: what was measured, put together from finished stages."""

import dataclasses
import importlib.metadata
import math
import platform
import sys
import time
from pathlib import Path
from typing import Any

from limbeck.analysis import (
    Comparison,
    clustered_difference,
    clustered_mean,
    corrected,
    mcnemar,
    minimum_detectable,
    paired_ratio_bootstrap,
    proportion,
    ratio_of_means,
    ratio_of_sums,
)
from limbeck.bench import Bench
from limbeck.data import Kind
from limbeck.evaluation.audit import Losses, audit, overlaps
from limbeck.files import digest, write_json
from limbeck.reports import verdict, write_model_card, write_report
from limbeck.run.bits import Bits, bits, reservations
from limbeck.run.measured import Measured

SCHEMA = "limbeck.results/2"
PAIRS = (
    ("student", "sft"), ("student", "before"), ("student", "teacher"), ("sft", "teacher"),
    ("student", "control_gold"), ("student", "control_labelled"), ("control_labelled", "sft"),
    ("student", "one_shot"), ("one_shot", "sft"), ("student", "control_longer"),
    ("student", "control_resample"), ("student", "control_shuffled"), ("student", "control_blind"),
)  # fmt: skip


def evaluation(
    measured: dict[str, Measured], kind: Kind, max_new_tokens: int | None
) -> dict[str, Any]:
    """Each model's scores with 95 % intervals.

    Args:
        measured: The models.
        kind: Of the rows.
        max_new_tokens: Longest answer; None where none were written, or nobody knows.
    """
    items = len(next(iter(measured.values())).items["key"])
    read, documents = bits(measured), _documents(measured)
    found = {
        "items": items,
        "kind": kind,
        "max_new_tokens": max_new_tokens,
        "metrics": {arm: _scores(arm, m, read, documents) for arm, m in measured.items()},
    }
    texts = next((m.items["read"] for m in measured.values() if "read" in m.items), None)
    return found if texts is None else found | {"read": texts[0]}


def compared(measured: dict[str, Measured], losses: Losses | None = None) -> dict[str, Any]:
    """What several models on the same items have to say of one another."""
    return {
        "comparisons": comparisons(measured),
        "recovered": recovered(measured),
        "detectable": detectable(measured),
        "audit": audited(measured, losses),
    }


def comparisons(measured: dict[str, Measured]) -> list[dict[str, Any]]:
    """Pairs of models on the same items: exact McNemar, and a paired bootstrap of bits per byte.

    Where items share documents, these are resampled instead of McNemar's test. p is corrected over
    all pairs of one metric, after Holm.
    """
    right: dict[str, Comparison] = {}
    needed: dict[str, Comparison] = {}
    read, documents = bits(measured), _documents(measured)
    own_text = any("teacher" in m.items.get("read", []) for m in measured.values())
    for a, b in PAIRS:
        if a not in measured or b not in measured:
            continue
        one, other = measured[a], measured[b]
        if (own := one.array("correct")) is not None and (
            rival := other.array("correct")
        ) is not None:
            right[f"{a} {b}"] = (
                mcnemar(own, rival)
                if documents is None
                else clustered_difference(own, rival, documents)
            )
        # Of its own answers a teacher needs the fewest bits: that compares nothing.
        if own_text and "teacher" in (a, b):
            continue
        if read is not None and {a, b} <= read.of.keys():
            needed[f"{a} {b}"] = paired_ratio_bootstrap(read.of[a], read.of[b], read.bytes)
    families = {"accuracy": corrected(right), "bits_per_byte": corrected(needed)}
    return [
        {"a": a, "b": b, "metric": metric, **families[metric][f"{a} {b}"].as_dict()}
        for a, b in PAIRS
        for metric in families
        if f"{a} {b}" in families[metric]
    ]


def recovered(measured: dict[str, Measured]) -> dict[str, Any] | None:
    """Share of the gap between SFT and teacher that the student closed, with its interval.

    None where the teacher does not lead measurably.
    """
    arms = [measured.get(arm) for arm in ("student", "sft", "teacher")]
    columns = [m.array("correct") if m is not None else None for m in arms]
    student, sft, teacher = columns
    if student is None or sft is None or teacher is None or teacher.mean() <= sft.mean():
        return None
    share = ratio_of_means(student - sft, teacher - sft, _documents(measured))
    return None if share is None else {"metric": "accuracy", **share.as_dict()}


def detectable(measured: dict[str, Measured]) -> dict[str, Any] | None:
    """The smallest difference between student and SFT that so many independent items can show."""
    student, sft = (
        m.array("correct") if (m := measured.get(a)) else None for a in ("student", "sft")
    )
    if student is None or sft is None or _documents(measured) is not None:
        return None
    if not (discordance := float((student != sft).mean())):
        return None
    return dataclasses.asdict(minimum_detectable(len(student), discordance))


def audited(measured: dict[str, Measured], losses: Losses | None = None) -> dict[str, Any]:
    """How closely each model follows the teacher, and in what: see `limbeck.evaluation.audit`."""
    arms = {arm: a for arm, m in measured.items() if (a := m.answers) is not None}
    tables = {arm: m.positions for arm, m in measured.items() if m.positions}
    if said := reservations(measured):  # of other texts than these, losses part nothing
        arms = {arm: dataclasses.replace(a, losses=None) for arm, a in arms.items()}
    found = audit(arms, tables, losses)
    return found | {"not_measured": [*found["not_measured"], *said]}


def browsed(measured: dict[str, Measured]) -> list[dict[str, Any]]:
    """Every item with what each model wrote, for the report's browser."""
    first = next(iter(measured.values())).items
    if not any("output" in m.items for m in measured.values()):
        return []
    answers = {arm: a for arm, m in measured.items() if (a := m.answers) is not None}
    shared = {
        arm: overlaps(answers["teacher"], a)
        for arm, a in answers.items()
        if "teacher" in answers and arm != "teacher"
    }

    def output(arm: str, i: int) -> dict[str, Any]:
        items = measured[arm].items
        found = {"text": items["output"][i]}
        for name in ("correct", "extracted", "finished"):
            if name in items:
                found[name] = items[name][i]
        if arm in shared:
            found["jaccard"] = shared[arm][i]
        return found

    return [
        {
            "id": first["key"][i],
            "prompt": first["prompt"][i],
            "answer": first["answer"][i],
            "outputs": {arm: output(arm, i) for arm, m in measured.items() if "output" in m.items},
        }
        for i in range(len(first["key"]))
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


def report(found: dict[str, Any], items: list[dict[str, Any]], folder: Path) -> None:
    """Write the page and, last, the numbers: where they are, everything is done."""
    found["verdict"] = verdict(found)
    write_report(found, folder / "report.html", items)
    if (folder / "student").is_dir():
        write_model_card(found, folder / "student")
    write_json(folder / "results.json", found)


def hash_of(columns: dict[str, list[Any]]) -> str:
    """Of a table, to notice when it changes."""
    return digest(sorted(columns.items()))


def now() -> str:
    """This moment, with its time zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _scores(
    arm: str, m: Measured, read: Bits | None, documents: list[str] | None
) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if (right := m.array("correct")) is not None:
        share = proportion(right) if documents is None else clustered_mean(right, documents)
        scores["accuracy"] = share.as_dict()
        if (finished := m.array("finished")) is not None:
            scores["truncated"] = float(1 - finished.mean())
        scores["invalid"] = sum(x is None for x in m.items["extracted"]) / len(right)
    if read is not None and arm in read.of:
        needed, tokens = read.of[arm], read.tokens[arm].sum()
        scores["bits_per_byte"] = ratio_of_sums(needed, read.bytes).as_dict()
        if tokens:
            nats = float(needed.sum()) * math.log(2) / tokens
            scores["perplexity"] = math.exp(min(700.0, nats))
    return scores


def _documents(measured: dict[str, Measured]) -> list[str] | None:
    """What items share that are not independent; None where they are."""
    return next((m.documents for m in measured.values() if m.documents is not None), None)
