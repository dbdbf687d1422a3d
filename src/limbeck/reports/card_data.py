"""The head of a model card: what the hub reads, built with the hub's own classes."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import words
from .facts import Results, measured, score
from .hostile import visible
from .tasks import is_open, main_score, write

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_DATA_FILE = re.compile(r"\.(jsonl?|parquet|csv|ya?ml|txt)$", re.IGNORECASE)


def metadata(results: Results) -> "ModelCardData":
    """License, base, tags, data and scores of the student, as far as they are known.

    Args:
        results: The contents of ``results.json``.
    """
    from huggingface_hub import ModelCardData

    student = (results.get("recipe") or {}).get("student") or {}
    base = hub_id(student.get("model")) if not student.get("fresh") else None
    data = hub_id((results.get("data") or {}).get("source"))
    method = (results.get("method") or {}).get("name")
    scores = eval_results(results)
    return ModelCardData(
        license=results["models"].get("student", {}).get("license"),
        base_model=base,
        base_model_relation="finetune" if base else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["limbeck", "distillation", *([_slug(method)] if method else [])],
        datasets=[data] if data else None,
        model_name=_line(results["name"]) if scores else None,
        eval_results=scores or None,
    )


def eval_results(results: Results) -> "list[EvalResult]":
    """The student's scores on the run's test items and on every task."""
    from huggingface_hub import EvalResult

    source = (results.get("data") or {}).get("source")
    name = public_name(source) or _line(results["name"])
    found = [
        EvalResult(
            task_type="text-generation",
            dataset_type=hub_id(source) or _slug(name),
            dataset_name=f"{name}, held-out items",
            dataset_split="test",
            metric_type=metric.key,
            metric_name=metric.name,
            metric_value=round(value, 4),
        )
        for metric in measured(results)
        if (value := score(results, "student", metric)) is not None
    ]
    for task, here in (results.get("tasks") or {}).items():
        key, value_of = main_score(here, "student")
        if value_of is None or is_open(here):
            continue
        found.append(
            EvalResult(
                task_type="text-generation",
                dataset_type=hub_id(here.get("source")) or _slug(task),
                dataset_name=_line(task),
                metric_type=_slug(key),
                metric_name=_line(key.replace("_", " ")),
                metric_value=round(float(value_of["value"]), 4),
            )
        )
    return found


def task_scores(results: Results) -> list[tuple[str, str, str, str, str]]:
    """Task, figure, the student's value, its interval, items."""
    rows = []
    for task, here in (results.get("tasks") or {}).items():
        key, found = main_score(here, "student")
        if found is not None and not is_open(here):
            shown = write(here, key)
            interval = words.span(found.get("low"), found.get("high"), shown)
            value = shown(found["value"])
            rows.append((task, key.replace("_", " "), value, interval, words.count(here.get("n"))))
    return rows


def hub_id(source: Any) -> str | None:
    """The source if it names something on the hub; a folder or file of this machine does not."""
    if not isinstance(source, str) or not _HUB_ID.fullmatch(source) or _DATA_FILE.search(source):
        return None
    return None if Path(source).exists() else source


def public_name(source: Any) -> str:
    """What others may read of a source: a hub id, or the last part of a path; no server."""
    if not source:
        return ""
    if hub_id(source):
        return str(source)
    text = re.sub(r"\s+at\s+\w+://\S+", ", behind a server", str(source))
    first, comma, rest = text.partition(",")
    parts = [part for part in re.split(r"[/\\]", first) if part]
    return _line(f"{parts[-1] if parts else first}{comma}{rest}")


def _line(text: Any) -> str:
    return " ".join(visible(str(text)).split()) or "unnamed"


def _slug(text: Any) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", str(text).lower()).strip("-._") or "unnamed"
