"""How the numbers of the audit are read from the results, whatever of them is missing."""

from collections.abc import Callable, Mapping
from typing import Any

from limbeck.reports import words
from limbeck.reports.facts import Results, arms, label

Found = Mapping[str, Any]
Write = Callable[[words.Number], str]


def part(results: Results, name: str) -> dict[str, Any]:
    """A part of the audit; empty where it was not measured."""
    return dict((results.get("audit") or {}).get(name) or {})


def of_arms(results: Results, found: Found) -> list[tuple[str, str, Found]]:
    """The arms that a part has, in reading order: arm, label, what was found."""
    return [(arm, label(results, arm), found[arm]) for arm in arms(results) if found.get(arm)]


def number(found: Found, key: str) -> float | None:
    """A number of the results, with an interval or without; None where it is missing."""
    value = found.get(key)
    if isinstance(value, Mapping):
        value = value.get("value")
    return float(value) if words.known(value) else None


def ends(found: Found, key: str) -> tuple[float, float] | None:
    """The interval of a number, where it has one."""
    value = found.get(key)
    if not isinstance(value, Mapping):
        return None
    low, high = value.get("low"), value.get("high")
    return (low, high) if words.known(low) and words.known(high) else None


def shown(found: Found, key: str, write: Write) -> str:
    """A number as text."""
    return write(number(found, key))


def interval(found: Found, key: str, write: Write) -> str:
    """The interval of a number as text."""
    low, high = ends(found, key) or (None, None)
    return words.span(low, high, write)


def points(share: words.Number) -> str:
    """A difference of shares in points, with its sign."""
    return words.signed(None if share is None else 100 * share, 1)


def nats(number: words.Number) -> str:
    """A difference in nats, with its sign."""
    return words.signed(number, 3)
