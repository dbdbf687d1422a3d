"""What a teacher knows of one learner: its attempts at a few problems, round after round."""

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from limbeck.errors import RequestError

CUT_TOKENS = 200
"""What is left of an attempt where the teacher's context has no room for all of it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the learner wrote.

    Attributes:
        text: As it wrote it.
        correct: Whether the answer is right.
        tag: Of `TAGS`, what went wrong; empty where nothing did.
        finished: False where the length limit cut it.
    """

    text: str
    correct: bool
    tag: str = ""
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Lesson:
    """One round on one problem.

    Attributes:
        round: From 0.
        solution: The teacher's of that round; empty where it had none that was right.
        attempt: What the learner wrote after that round.
    """

    round: int
    solution: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Entry:
    """One problem of a record.

    Attributes:
        question: The problem.
        lessons: Oldest first; at least one.
    """

    question: str
    lessons: tuple[Lesson, ...]


Record = tuple[Entry, ...]


def fitted(
    record: Record, count: Callable[[Record], int], limit: int, cut: Callable[[str], str]
) -> Record:
    """The largest part of a record that a teacher's context has room for.

    First the oldest rounds go, of all entries that have a newer one; then attempts are cut; then
    whole entries go, from the end, those first that the learner got right in its newest round.

    Args:
        record: All that is known.
        count: Tokens of the whole prompt with a record; grows with it.
        limit: Most tokens.
        cut: Shortens an attempt to `CUT_TOKENS` tokens.

    Raises:
        RequestError: Not even one entry fits.
    """
    if count(record) <= limit:
        return record
    smaller = _smaller(record, cut)
    place = bisect_left(smaller, True, key=lambda part: count(part) <= limit)
    if place == len(smaller):
        raise RequestError(
            "the teacher's context is too small for one record of the learner: "
            f"the shortest prompt has {count(smaller[-1] if smaller else record):,} tokens, "
            f"and {limit:,} is the limit",
            where="method.context",
            mend="use a teacher with a longer context, or shorter problems and solutions",
        )
    return smaller[place]


def shuffled(record: Record, seed: int) -> Record:
    """A control: what the learner wrote, with mark and tag, dealt to other problems.

    No problem keeps its own attempts where there are two or more, and who gets whose is the same
    in all rounds. All entries have the same rounds.
    """
    order = list(range(len(record)))
    random.Random(seed).shuffle(order)
    # One cycle through all entries moves each of them.
    giver = dict(zip(order, order[1:] + order[:1], strict=True))
    return tuple(_dealt(entry, record[giver[i]]) for i, entry in enumerate(record))


def blinded(record: Record) -> Record:
    """A control: what is left of a record without the learner's text, marks and tags: nothing."""
    return ()


def _smaller(record: Record, cut: Callable[[str], str]) -> list[Record]:
    """Ever smaller parts of a record, down to one entry."""
    parts = [record]
    for round_ in sorted({lesson.round for entry in record for lesson in entry.lessons}):
        parts.append(tuple(_without(entry, round_) for entry in parts[-1]))
    parts.append(tuple(_cut(entry, cut) for entry in parts[-1]))
    right = [e for e in parts[-1] if e.lessons[-1].attempt.correct]
    wrong = [e for e in parts[-1] if not e.lessons[-1].attempt.correct]
    # Identity, not equality: two entries may be alike.
    for entry in (right[::-1] + wrong[::-1])[:-1]:
        parts.append(tuple(e for e in parts[-1] if e is not entry))
    return [part for before, part in pairwise(parts) if part != before]


def _without(entry: Entry, round_: int) -> Entry:
    newer = tuple(lesson for lesson in entry.lessons if lesson.round > round_)
    return replace(entry, lessons=newer or entry.lessons[-1:])


def _cut(entry: Entry, cut: Callable[[str], str]) -> Entry:
    lessons = (
        replace(x, attempt=replace(x.attempt, text=cut(x.attempt.text))) for x in entry.lessons
    )
    return replace(entry, lessons=tuple(lessons))


def _dealt(entry: Entry, giver: Entry) -> Entry:
    pairs = zip(entry.lessons, giver.lessons, strict=True)
    return replace(entry, lessons=tuple(replace(own, attempt=x.attempt) for own, x in pairs))
