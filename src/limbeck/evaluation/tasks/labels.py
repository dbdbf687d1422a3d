"""Figures over the labels of a whole evaluation; an answer that is none of them is one of its own."""

from collections.abc import Callable, Sequence
from typing import Any

from limbeck.analysis import Estimate
from limbeck.analysis import kappa as cohens_kappa
from limbeck.analysis import macro_f1 as mean_f1

NONE = "None"  # the category of invalid answers: last in the order of grades

Corpus = Callable[[Sequence[str], Sequence[str], Sequence[str]], Estimate | None]
"""``(gold, answers, labels in their order)`` to a figure; None where it is not defined."""


def label(value: Any | None) -> str:
    """An answer as a label."""
    return NONE if value is None else str(value)


def macro_f1(gold: Sequence[str], answers: Sequence[str], labels: Sequence[str]) -> Estimate | None:
    """Mean of the labels' F1; an invalid answer is a miss and no label."""
    return mean_f1(answers, gold, labels)


def kappa(gold: Sequence[str], answers: Sequence[str], labels: Sequence[str]) -> Estimate | None:
    """Cohen's kappa, with invalid answers as one more category."""
    return cohens_kappa(gold, *_closed(answers, labels, None))


def linear_kappa(
    gold: Sequence[str], answers: Sequence[str], labels: Sequence[str]
) -> Estimate | None:
    """The same, a miss counting by its distance in the order of the labels."""
    return cohens_kappa(gold, *_closed(answers, labels, "linear"))


CORPUS: dict[str, Corpus] = {"kappa": kappa, "linear_kappa": linear_kappa, "macro_f1": macro_f1}


def _closed(answers: Sequence[str], labels: Sequence[str], weights: Any) -> tuple[Any, Any, Any]:
    """Answers, weights and labels, so that every answer is one of the labels."""
    found = [answer if answer in labels else NONE for answer in answers]
    return found, weights, [*labels, NONE] if NONE in found else list(labels)
