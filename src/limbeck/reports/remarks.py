"""What the audit found that a score hides: a sentence each, only where the data say so."""

from collections.abc import Mapping
from typing import Any

from . import words
from .facts import Results, label, rival

MOST = 2  # a verdict is read in one breath; the sections below it say the rest
UNFAITHFUL = 0.2  # of the right answers: at least so many must be reached in another way


def remarks(results: Results) -> list[str]:
    """At most two sentences, the gravest first.

    Args:
        results: The contents of ``results.json``.
    """
    audit = results.get("audit") or {}
    found = (_collapse(results, audit), _unfaithful(results, audit), _lost(results, audit))
    return [sentence for sentence in found if sentence][:MOST]


def collapsed(results: Results, arm: str = "student") -> str:
    """How an arm's texts have become alike, as the rest of a sentence; empty if they have not."""
    diversity = (results.get("audit") or {}).get("diversity") or {}
    mine = diversity.get(arm) or {}
    if not mine.get("collapse"):
        return ""
    theirs = diversity.get("teacher") or {}
    for key, name in (("distinct_2", "distinct pairs of words"), ("distinct_1", "distinct words")):
        if words.known(mine.get(key)) and words.known(theirs.get(key)):
            one, other = words.percent(mine[key]), words.percent(theirs[key])
            return f"writes much less varied text than its teacher ({name}: {one} against {other})"
    return "writes much less varied text than its teacher"


def _collapse(results: Results, audit: Mapping[str, Any]) -> str:
    found = collapsed(results)
    return f"Alarm: {label(results, 'student')} {found}." if found else ""


def _unfaithful(results: Results, audit: Mapping[str, Any]) -> str:
    found = ((audit.get("steps") or {}).get("student") or {}).get("unfaithful") or {}
    low = found.get("low")
    if not words.known(low) or low <= UNFAITHFUL:
        return ""
    return (
        f"{words.share_of(found)} of the right answers of {label(results, 'student')} show other "
        "equations than its teacher's, or none: it is right without reasoning like its teacher."
    )


def _lost(results: Results, audit: Mapping[str, Any]) -> str:
    # Parted by the very answers that are counted, every model loses some: that is no finding.
    parting = (audit.get("subdomains") or {}).get("loss") or {}
    kept = ((parting.get("recovery") or {}).get("student") or {}).get("retention") or {}
    if not words.known(kept.get("high")) or kept["high"] >= 1:
        return ""
    return (
        f"Where {rival(results)} was better than the teacher by its losses "
        f"({words.percent(parting.get('mass_sfs'))} of the items), {label(results, 'student')} kept "
        f"only {words.share_of(kept)} of its lead in right answers, some of which may have been chance."
    )
