"""Outputs that were saved earlier, by ``limbeck eval`` or by anything else, in a model's place."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.analysis import aligned
from limbeck.data import Example, Examples
from limbeck.data.reading import read_local
from limbeck.errors import RequestError
from limbeck.evaluation.audit import Losses
from limbeck.evaluation.tasks import Item
from limbeck.run.measured import Measured
from limbeck.run.tasks import Asked

SUFFIXES = (".jsonl", ".json", ".parquet", ".csv")
_NAMES = ("id", "key", "prompt")


def is_saved(place: str) -> bool:
    """Whether these words name a file of outputs, and no model."""
    return place.lower().endswith(SUFFIXES)


def read_saved(place: str) -> list[Mapping[str, Any]]:
    """The rows of a file of outputs.

    Raises:
        RequestError: It cannot be read, is empty, or a row has no output.
    """
    rows: list[Mapping[str, Any]] = []
    for where, row in read_local(Path(place).expanduser()):
        if not isinstance(row.get("output"), str):
            raise RequestError(
                "the row has no output",
                where=where,
                mend="saved outputs have the columns output (a text), id (or prompt), and correct "
                "unless --data has the right answers",
            )
        rows.append(row)
    if not rows:
        raise RequestError("there are no outputs", where=place, mend="check the file")
    return rows


def scored(place: str, examples: Sequence[Example], data: Examples) -> Measured:
    """Saved outputs as answers to these examples, scored by the data's verifier.

    Args:
        place: The file; its rows name their example by ``key``, or by ``prompt``.
        examples: What was asked.
        data: How an answer is verified and read.

    Raises:
        RequestError: An example has no output, or has two.
    """
    rows = read_saved(place)
    if all("key" in row for row in rows):
        names = [str(row["key"]) for row in rows]
    elif all(isinstance(row.get("prompt"), str) for row in rows):
        names = [Example(row["prompt"]).key for row in rows]
    else:
        raise RequestError(
            "nothing says which row of the data an output belongs to",
            where=place,
            mend="add a column prompt, as it stands in the data",
        )
    wanted = [e.key for e in examples]
    known = set(wanted)
    kept = [i for i, name in enumerate(names) if name in known]  # the rest may be other splits
    at = _aligned(wanted, [names[i] for i in kept], "the data", place)
    chosen = [rows[kept[i]] for i in at]
    verify, extract = data.verify, data.extract
    if verify is None or extract is None:
        raise RequestError(
            "outputs are compared with right answers, and the data has none",
            where="data.columns",
            mend="say which column is the answer: data.columns.answer=NAME",
        )
    texts = [str(row["output"]) for row in chosen]
    items: dict[str, list[Any]] = {
        "key": wanted,
        "prompt": [e.question for e in examples],
        "answer": [e.answer for e in examples],
        "output": texts,
        "extracted": [extract(t) for t in texts],
        "correct": [
            e.answer is not None and verify(t, e.answer)
            for t, e in zip(texts, examples, strict=True)
        ],
    }
    return Measured(items | _optional(chosen))


def matched(place: str, asked: Asked) -> list[tuple[str, bool]]:
    """Saved outputs as answers to a task's items: texts, and whether each was cut.

    Args:
        place: The file; its rows name their item by ``id``, or by ``prompt``.
        asked: The task, asked for letters where it has choices.

    Raises:
        RequestError: An item has no output, or has two.
    """
    ids, names, rows = _of_items(place, asked)
    at = _aligned(ids, names, asked.task.name, place)
    return [_output(rows[i]) for i in at]


def sampled(place: str, asked: Asked) -> list[list[tuple[str, bool]]]:
    """The same of a task of code, to whose problems a file may hold several programs each.

    Raises:
        RequestError: A problem has no program, or more of them than another.
    """
    ids, names, rows = _of_items(place, asked)
    _aligned(ids, list(dict.fromkeys(names)), asked.task.name, place)
    found: dict[str, list[tuple[str, bool]]] = {name: [] for name in ids}
    for name, row in zip(names, rows, strict=True):
        found[name].append(_output(row))
    fewest, most = (of(ids, key=lambda name: len(found[name])) for of in (min, max))
    if len(found[fewest]) < len(found[most]):
        raise RequestError(
            f"{most} has {len(found[most])} programs, and {fewest} has {len(found[fewest])}",
            where=place,
            mend="save as many programs to one problem as to another",
        )
    return [found[name] for name in ids]


def _of_items(place: str, asked: Asked) -> tuple[list[str], list[str], list[Mapping[str, Any]]]:
    """Names of a task's items; the rows of a file that are of them, and these rows' items."""
    rows = read_saved(place)
    by_id = all("id" in row for row in rows)
    ids = [item.id if by_id else _squeezed(_asked_words(item)) for item in asked.items]
    names = [str(row["id"]) if by_id else _squeezed(str(row.get("prompt", ""))) for row in rows]
    known = set(ids)
    kept = [i for i, name in enumerate(names) if name in known]
    return ids, [names[i] for i in kept], [rows[i] for i in kept]


def _output(row: Mapping[str, Any]) -> tuple[str, bool]:
    # JSON can spell half a surrogate pair, which no table can hold.
    text = str(row["output"]).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text, bool(row.get("truncated", False))


def _asked_words(item: Item) -> str:
    return item.messages[-1].content


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def losses_of(place: str, keys: Sequence[str]) -> Losses:
    """Losses that were measured elsewhere: columns ``id`` (or ``key``, ``prompt``), ``student``, ``teacher``.

    Args:
        place: The file.
        keys: Of the items, in order.

    Raises:
        RequestError: An item has no losses, or a loss is no finite number.
    """
    rows = [row for _, row in read_local(Path(place).expanduser())]
    for number, row in enumerate(rows, 1):
        for side in ("student", "teacher"):
            if not isinstance(row.get(side), int | float) or not math.isfinite(row[side]):
                raise RequestError(
                    f"the row has no {side} loss that is a finite number",
                    where=f"{place}, row {number}",
                    mend="give the columns id (or prompt), student and teacher",
                )
    name = next((n for n in _NAMES if all(n in row for row in rows)), None)
    if name is None:
        raise RequestError(
            "nothing says which items the losses are of", where=place, mend="add a column id"
        )
    read = (
        (lambda row: Example(row["prompt"]).key)
        if name == "prompt"
        else (lambda row: str(row[name]))
    )
    at = _aligned(list(keys), [read(row) for row in rows], "the items", place)
    student, teacher = (
        np.array([float(rows[i][side]) for i in at]) for side in ("student", "teacher")
    )
    return student, teacher


def as_they_stand(places: Mapping[str, str]) -> dict[str, Measured]:
    """Several files of outputs that say themselves what is correct, in the order of the first.

    Args:
        places: Model to its file; rows have ``id`` (or ``key``, or ``prompt``), ``output`` and
            ``correct``, and perhaps ``prompt``, ``gold`` or ``answer``, ``extracted``, ``document``,
            ``nats`` with ``nats_tokens``, and ``truncated``.

    Raises:
        RequestError: A row lacks something, or the files are not of the same items.
    """
    tables = {arm: read_saved(place) for arm, place in places.items()}
    name = next((n for n in _NAMES if all(n in r for t in tables.values() for r in t)), None)
    if name is None:
        raise RequestError(
            "nothing says which outputs belong together",
            where=", ".join(places.values()),
            mend="add a column id to all files",
        )
    first = next(iter(places))
    ids = [str(row[name]) for row in tables[first]]
    found = {}
    for arm, table in tables.items():
        at = _aligned(ids, [str(row[name]) for row in table], places[first], places[arm])
        found[arm] = Measured(_columns([table[i] for i in at], ids, places[arm]))
    return found


def _columns(rows: list[Mapping[str, Any]], ids: list[str], place: str) -> dict[str, list[Any]]:
    for number, row in enumerate(rows, 1):
        if _truth(row.get("correct")) is None:
            raise RequestError(
                "a row does not say whether its output is correct",
                where=f"{place}, {ids[number - 1]}",
                mend="add a column correct (true or false), or --data with the right answers",
            )
    texts = [str(row["output"]) for row in rows]
    return {
        "key": ids,
        "prompt": [str(row.get("prompt", "")) for row in rows],
        "answer": [_text(row.get("answer", row.get("gold"))) for row in rows],
        "output": texts,
        # Without the answers, outputs are the same where they are the same text.
        "extracted": [
            _text(row["extracted"]) if "extracted" in row else " ".join(text.split()) or None
            for row, text in zip(rows, texts, strict=True)
        ],
        "correct": [_truth(row["correct"]) is True for row in rows],
        **_optional(rows),
    }


def _optional(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columns that a file may have besides."""
    found: dict[str, list[Any]] = {}
    if all("truncated" in row for row in rows):
        found["finished"] = [not row["truncated"] for row in rows]
    if all("finished" in row for row in rows):
        found["finished"] = [bool(row["finished"]) for row in rows]
    if all(row.get("document") for row in rows):
        found["document"] = [str(row["document"]) for row in rows]
    if all(row.get("nats") is not None and row.get("nats_tokens") for row in rows):
        found["nats"] = [float(row["nats"]) for row in rows]
        found["nats_tokens"] = [int(row["nats_tokens"]) for row in rows]
    return found


def _truth(value: Any) -> bool | None:
    """A mark as files hold it: CSV knows texts only."""
    known = {"true": True, "1": True, "false": False, "0": False}
    return known.get(str(value).strip().lower().removesuffix(".0"))


def _text(value: Any) -> str | None:
    """As ``limbeck eval`` writes it, JSON; ``null`` is nothing."""
    return None if value is None or value == "null" else str(value)


def _aligned(ids: list[str], others: list[str], a: str, b: str) -> list[int]:
    try:
        return [int(i) for i in aligned(ids, others)]
    except ValueError as error:
        raise RequestError(
            f"the outputs are not of the same items: {error}",
            where=f"a is {a}, b is {b}",
            mend="evaluate all models on the same rows, each once",
        ) from None
