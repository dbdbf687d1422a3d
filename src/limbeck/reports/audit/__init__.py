"""The audit on the page: a section for each question that was asked of the models."""

from limbeck.reports.facts import Results
from limbeck.reports.section import Section

from . import (
    answers,
    calibration,
    ceiling,
    diversity,
    scatter,
    steps,
    subdomains,
    tokens,
)

__all__ = ["Section", "not_measured", "sections"]

_PARTS = (tokens, scatter, answers, steps, ceiling, subdomains, calibration, diversity)


def sections(results: Results) -> list[Section]:
    """The sections of the audit in reading order, without those that were not measured.

    Args:
        results: The contents of ``results.json``.
    """
    found = (part.section(results) for part in _PARTS)
    return [section for section in found if section is not None]


def not_measured(results: Results) -> list[str]:
    """Why parts of the audit are missing, a sentence each."""
    return [str(why) for why in (results.get("audit") or {}).get("not_measured") or ()]
