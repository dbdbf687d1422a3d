"""What several models answered to the same items, and how alike it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.analysis import (
    Estimate,
    Steps,
    answer_agreement,
    clustered_mean,
    equation_jaccard,
    operator_similarity,
    proportion,
    step_ratio,
)
from limbeck.tutoring.equations import steps_of

UNFAITHFUL = 0.3
"""A right answer whose equations overlap less than this with the teacher's was found another way."""


@dataclass(frozen=True)
class Sample:
    """One more answer to an item, drawn at temperature 1.

    Attributes:
        text: As written.
        extracted: The answer that was read out of it; None where there is none.
        correct: Whether that is right.
    """

    text: str
    extracted: str | None
    correct: bool


@dataclass(frozen=True)
class Answers:
    """One model's greedy answers to the items.

    Attributes:
        texts: As written, ``[n]``.
        extracted: The answers read out of them, so that equal answers are equal; None for none.
        correct: Whether each is right.
        documents: What items share that are not independent; None where they share nothing.
        losses: Nats of the whole right completion, which compare across tokenizers; None where they
            are not known.
        samples: Further answers to some of the items, by the place of the item.
    """

    texts: tuple[str, ...]
    extracted: tuple[str | None, ...]
    correct: NDArray[np.bool_]
    documents: tuple[str, ...] | None = None
    losses: NDArray[np.float64] | None = None
    samples: Mapping[int, tuple[Sample, ...]] | None = None

    @cached_property
    def steps(self) -> tuple[Steps, ...]:
        """The equations of each text."""
        return tuple(map(steps_of, self.texts))


def agreement(teacher: Answers, other: Answers) -> dict[str, Any]:
    """Same answers, beyond chance, and who is right where they differ."""
    found = answer_agreement(teacher.extracted, other.extracted, teacher.correct, other.correct)
    return found.as_dict() | {"same": _share(_same(teacher, other), other.documents)}


def excess_agreement(teacher: Answers, other: Answers) -> Estimate:
    r"""Agreement beyond that of two models which are as often right and know nothing of each other.

    .. math:: same - [a_T a_S + (1 - a_T)(1 - a_S) w]

    with accuracies a, and w the chance that two of their wrong answers are the same when items do
    not matter: the sum over answers v of the shares that v has among the wrong answers of each.
    Two models that are often right agree often; |a_S - a_T| <= 1 - agreement whatever they know.

    The interval is that of the linearised statistic, over documents.
    """
    same = _same(teacher, other)
    t, s = teacher.correct.astype(float), other.correct.astype(float)
    mean_t, mean_s = t.mean(), s.mean()
    chance = _coincidence(teacher, other)
    right = mean_s * t + mean_t * s - mean_t * mean_s
    wrong = (1 - mean_s) * (1 - t) + (1 - mean_t) * (1 - s) - (1 - mean_t) * (1 - mean_s)
    return clustered_mean(same - right - chance * wrong, other.documents)


def reasoning(teacher: Answers, other: Answers) -> dict[str, Any] | None:
    """How alike the worked solutions are; None where the teacher's show no equation.

    Only items on which the teacher's text has an equation count. ``unfaithful`` is the share of
    the other model's right answers there whose equations are not the teacher's (Jaccard < 0.3).
    """
    pairs = zip(teacher.steps, other.steps, strict=True)
    shown = [(i, t, s) for i, (t, s) in enumerate(pairs) if t.equations]
    if not shown:
        return None
    places = np.array([i for i, _, _ in shown])
    jaccard = np.array([equation_jaccard(t, s) for _, t, s in shown])
    clusters = None if other.documents is None else [other.documents[i] for i in places]
    right = other.correct[places]
    found: dict[str, Any] = {"n": len(shown)}
    for name, values in (
        ("equation_jaccard", jaccard),
        ("operator_similarity", np.array([operator_similarity(t, s) for _, t, s in shown])),
        ("step_ratio", np.array([step_ratio(s, t) for _, t, s in shown])),
    ):
        found[name] = clustered_mean(values, clusters).as_dict()
    if right.any():
        documents = None if clusters is None else [clusters[i] for i in np.flatnonzero(right)]
        found["unfaithful"] = _share(jaccard[right] < UNFAITHFUL, documents)
    return found


def overlaps(teacher: Answers, other: Answers) -> list[float | None]:
    """Equation overlap with the teacher's text for each item; None where that has no equation."""
    return [
        equation_jaccard(t, s) if t.equations else None
        for t, s in zip(teacher.steps, other.steps, strict=True)
    ]


def _same(teacher: Answers, other: Answers) -> NDArray[np.bool_]:
    pairs = zip(teacher.extracted, other.extracted, strict=True)
    return np.array([a is not None and a == b for a, b in pairs])


def _share(outcomes: NDArray[np.bool_], documents: Sequence[str] | None) -> dict[str, Any]:
    """With Wilson's interval where items are independent, else one that resamples documents."""
    if documents is None:
        return proportion(outcomes).as_dict()
    return clustered_mean(outcomes, documents).as_dict()


def _coincidence(teacher: Answers, other: Answers) -> float:
    shares = []
    for side in (teacher, other):
        wrong = [a for a, r in zip(side.extracted, side.correct, strict=True) if not r]
        values, counts = np.unique([a for a in wrong if a is not None], return_counts=True)
        shares.append(
            dict(zip(values.tolist(), (counts / max(1, len(wrong))).tolist(), strict=True))
        )
    one, two = shares
    return float(sum(share * two.get(value, 0.0) for value, share in one.items()))
