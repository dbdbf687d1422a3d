"""The test items one by one: which are on the page, in which order, and what they can be sorted by.

The page runs no script, so its filters are radio buttons, and a rule of CSS for each of them hides
the items that do not bear its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from markupsafe import escape

from . import words
from .facts import Results, arms, label
from .figures import COLOURS
from .hostile import cut, start

Item = Mapping[str, Any]

MOST_ITEMS = 400
MOST_BYTES = 3_000_000  # of text as the page holds it, escaped
UNFAITHFUL = 0.3  # equations shared with the teacher, below which a right answer has other reasons


@dataclass(frozen=True)
class Filter:
    """A kind of item.

    Attributes:
        key: Its name in the page's code.
        name: Its name for readers.
        shown: Items of the kind that are on the page.
        total: Items of the kind in all.
    """

    key: str
    name: str
    shown: int
    total: int

    @property
    def count(self) -> str:
        """How many there are: ``57``, or ``40 of 57`` where some are left out."""
        total = words.count(self.total)
        return total if self.shown == self.total else f"{words.count(self.shown)} of {total}"


@dataclass(frozen=True)
class Browser:
    """The items of a page and the kinds that they can be shown by."""

    filters: list[Filter]
    entries: list[dict[str, Any]]
    total: int

    @property
    def left_out(self) -> int:
        """Items that are not on the page."""
        return self.total - len(self.entries)


def browser(results: Results, items: Sequence[Item]) -> Browser | None:
    """Choose and order the items of a page; None where there are none.

    Every kind gets its share of the places in turn, so that a common one leaves room for a rare
    one. On the page, those on which models differ come first.

    Args:
        results: The contents of ``results.json``.
        items: ``{"id", "prompt", "answer", "outputs": {arm: {"text", "correct", "extracted",
            "finished", "jaccard"}}}``; anything but the prompt may be missing.
    """
    if not items:
        return None
    kinds = [(key, name, keeps) for key, name, keeps in _kinds(results)]
    found = {key: [i for i, item in enumerate(items) if keeps(item)] for key, _, keeps in kinds}
    entries: dict[int, dict[str, Any]] = {}
    size = 0
    for place in _in_turn([*found.values(), list(range(len(items)))]):
        if place in entries:
            continue
        entry = _entry(results, place, items[place])
        size += entry["size"]
        if len(entries) == MOST_ITEMS or (size > MOST_BYTES and entries):
            break
        entries[place] = entry
    for key, _, _ in kinds:
        for place in found[key]:
            if place in entries:
                entries[place]["kinds"].append(key)
    first = {place: rank for rank, key in reversed(list(enumerate(found))) for place in found[key]}
    order = sorted(entries, key=lambda place: (first.get(place, len(found)), place))
    filters = [Filter("all", "All", len(entries), len(items))]
    filters += [
        Filter(key, name, sum(p in entries for p in found[key]), len(found[key]))
        for key, name, _ in kinds
        if any(place in entries for place in found[key])
    ]
    return Browser(filters, [entries[place] for place in order], len(items))


def _kinds(results: Results) -> list[tuple[str, str, Callable[[Item], bool]]]:
    teacher, student, sft = (label(results, arm) for arm in ("teacher", "student", "sft"))

    def apart(better: str, worse: str) -> Callable[[Item], bool]:
        return lambda item: _right(item, better) is True and _right(item, worse) is False

    return [
        ("lost", f"{teacher} right, {student} wrong", apart("teacher", "student")),
        ("won", f"{student} right, {teacher} wrong", apart("student", "teacher")),
        ("gained", f"{student} right, {sft} wrong", apart("student", "sft")),
        ("forgotten", f"{sft} right, {student} wrong", apart("sft", "student")),
        ("unfaithful", f"{student} right by other steps", _unfaithful),
        ("alike", "Both wrong, same wrong answer", _same_wrong),
        ("cut", f"{student} cut off", lambda item: _output(item).get("finished") is False),
        ("silent", f"{student} without an answer", _silent),
    ]


def _output(item: Item, arm: str = "student") -> Mapping[str, Any]:
    return (item.get("outputs") or {}).get(arm) or {}


def _right(item: Item, arm: str = "student") -> bool | None:
    return _output(item, arm).get("correct")


def _unfaithful(item: Item) -> bool:
    near = _output(item).get("jaccard")
    return _right(item) is True and words.known(near) and near < UNFAITHFUL


def _same_wrong(item: Item) -> bool:
    if _right(item) is not False or _right(item, "teacher") is not False:
        return False
    mine = _output(item).get("extracted")
    return mine is not None and mine == _output(item, "teacher").get("extracted")


def _silent(item: Item) -> bool:
    """Whether an answer was looked for and none was found."""
    output = _output(item)
    return _right(item) is not None and "extracted" in output and output["extracted"] is None


def _in_turn(lists: list[list[int]]) -> list[int]:
    """The first of each list, then the second of each, and so on."""
    rounds = zip_longest(*lists)
    return [place for one in rounds for place in one if place is not None]


def _entry(results: Results, place: int, item: Item) -> dict[str, Any]:
    outputs = item.get("outputs") or {}
    known = [arm for arm in arms(results) if arm in outputs]
    prompt, prompt_left = cut(str(item.get("prompt") or ""))
    answer, _ = cut(str(item["answer"]), 500) if item.get("answer") is not None else (None, 0)
    shown = [
        _shown(results, arm, outputs[arm] or {})
        for arm in (*known, *(a for a in outputs if a not in known))
    ]
    texts = (prompt, answer or "", *(output["text"] for output in shown))
    return {
        "number": place + 1,
        "id": cut(str(item.get("id") or ""), 80)[0],
        "start": start(str(item.get("prompt") or "")),
        "prompt": prompt,
        "prompt_left": prompt_left,
        "answer": answer,
        "outputs": shown,
        "kinds": [],
        "size": sum(len(str(escape(text)).encode()) for text in texts),
    }


def _shown(results: Results, arm: str, output: Mapping[str, Any]) -> dict[str, Any]:
    text, left = cut(str(output.get("text") or ""))
    notes = []
    if output.get("finished") is False:
        notes.append("cut off at the length limit")
    if output.get("correct") is not None and output.get("extracted", "") is None:
        notes.append("no answer found")
    near = output.get("jaccard")
    if arm != "teacher" and words.known(near):
        notes.append(f"shares {words.percent(near)} of its equations with the teacher")
    return {
        "label": label(results, arm),
        "colour": COLOURS.get(arm, "#808080"),
        "correct": output.get("correct"),
        "text": text,
        "left": left,
        "notes": notes,
    }
