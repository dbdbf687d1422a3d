"""Worked examples before a question: chosen once, by name or by seed, and the same for all items."""

import hashlib
from collections.abc import Iterable, Sequence

from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.items import Question


def choose_shots(
    questions: Sequence[Question], n: int | None, seed: int, ids: Sequence[str], where: str
) -> tuple[Question, ...]:
    """The questions to show.

    Args:
        questions: To choose from.
        n: How many. Those whose hash with the seed is smallest, so that neither the order of the
            rows nor rows that are not chosen make a difference.
        seed: Of the choice.
        ids: The ones to show instead, by the rows' ids or keys, in this order.
        where: For messages.

    Raises:
        RequestError: There are fewer, or none of that id; or both or neither of `n` and `ids`.
    """
    if (n is None) == (not ids):
        raise RequestError(
            "worked examples are chosen by number or by id",
            where=where,
            mend="give n, with a seed, or ids",
        )
    if ids:
        known = {name: q for q in questions for name in (q.key, q.id) if name is not None}
        for name in ids:
            if name not in known:
                raise RequestError(
                    f"no row has the id {name!r}",
                    where=where,
                    mend=did_you_mean(name, list(known)[:20]),
                )
        return tuple(known[name] for name in ids)
    unique = {q.key for q in questions}
    if n is None or not 1 <= n <= len(unique):
        raise RequestError(
            f"{n} worked examples are asked for, and there are {len(unique)} rows",
            where=where,
            mend="ask for fewer, or give more rows",
        )
    return tuple(smallest(questions, n, seed))


def smallest(questions: Iterable[Question], n: int, seed: int) -> list[Question]:
    """The n different questions whose hash with the seed is smallest, the smallest first."""
    unique = {q.key: q for q in questions}.values()
    return sorted(unique, key=lambda q: _rank(seed, q))[:n]


def _rank(seed: int, question: Question) -> bytes:
    return hashlib.blake2b(f"{seed}:{question.key}".encode(), digest_size=8).digest()
