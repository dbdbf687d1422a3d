"""Do two models give the same answers, also where they are wrong?"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import outcomes, same_length
from .clustered import clustered_difference, clustered_mean
from .estimate import Comparison, Estimate
from .labels import kappa
from .statistics import proportion


@dataclass(frozen=True)
class Agreement:
    """Answers of two models to the same items.

    Two models that are often right agree often without knowing of one another: read ``kappa`` and
    ``same_wrong``, which tell a student that imitates from one that is merely good.

    Attributes:
        n: Items.
        same: Share of items with the same answer.
        kappa: The same beyond chance; None where it is not defined.
        both_right: Items that both have right.
        only_a: Items that only a has right.
        only_b: Items that only b has right.
        both_wrong: Items that both have wrong.
        same_wrong: Items on which both give the same wrong answer.
        error_agreement: same_wrong / both_wrong; None where they are never wrong together.
        unanswered_a: Items without an answer of a.
        unanswered_b: Items without an answer of b.
    """

    n: int
    same: Estimate
    kappa: Estimate | None
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    same_wrong: int
    error_agreement: Estimate | None
    unanswered_a: int
    unanswered_b: int

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them; results as :meth:`Estimate.as_dict` gives them."""
        found = asdict(self)
        for name in ("same", "kappa", "error_agreement"):
            result = getattr(self, name)
            found[name] = None if result is None else result.as_dict()
        return {name: field for name, field in found.items() if field is not None}


@dataclass(frozen=True)
class NoiseCeiling:
    """How much of the agreement that a teacher has with itself a student reaches.

    Attributes:
        ceiling: Agreement of the teacher with itself, between two seeds.
        agreement: Mean agreement of the student with either run of the teacher.
        shortfall: agreement - ceiling.
    """

    ceiling: Estimate
    agreement: Estimate
    shortfall: Comparison


def answer_agreement(
    a: Sequence[Hashable | None],
    b: Sequence[Hashable | None],
    right_a: ArrayLike,
    right_b: ArrayLike,
) -> Agreement:
    """Agreement of two models' answers, corrected for chance and split by who is right.

    Args:
        a: Answers of one model, ``[n]``, extracted and normalised so that equal answers are equal;
            None where there is none. No answer is never the same as no answer.
        b: Answers of the other model to the same items.
        right_a: Whether each of a's answers is right, ``[n]``.
        right_b: Whether each of b's answers is right.

    Raises:
        ValueError: A side is empty, lengths differ, or right/wrong holds anything else.
    """
    correct_a, correct_b = outcomes(right_a, "right_a"), outcomes(right_b, "right_b")
    same = _same(a=a, b=b)
    same_length(a=same, right_a=correct_a, right_b=correct_b)
    wrong = ~correct_a & ~correct_b
    errors = same[wrong]
    # An own label for each side's missing answers: they are no answer that both can agree on.
    labels_a = [("a", None) if one is None else ("", one) for one in a]
    labels_b = [("b", None) if one is None else ("", one) for one in b]
    return Agreement(
        same.size,
        proportion(same),
        kappa(labels_a, labels_b),
        int((correct_a & correct_b).sum()),
        int((correct_a & ~correct_b).sum()),
        int((~correct_a & correct_b).sum()),
        int(wrong.sum()),
        int(errors.sum()),
        proportion(errors) if errors.size else None,
        sum(one is None for one in a),
        sum(one is None for one in b),
    )


def noise_ceiling(
    teacher: Sequence[Hashable | None],
    again: Sequence[Hashable | None],
    student: Sequence[Hashable | None],
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> NoiseCeiling:
    """The student's agreement with its teacher beside the teacher's agreement with itself.

    Args:
        teacher: The teacher's answers under one seed, ``[n]``; None where there is none.
        again: The teacher's answers to the same items under another seed.
        student: The student's answers to the same items.
        clusters: Document of each item; intervals resample documents.
        seed: Seed of the resampling.

    Raises:
        ValueError: A side is empty or lengths differ.
    """
    itself = _same(teacher=teacher, again=again).astype(np.float64)
    one, other = _same(teacher=teacher, student=student), _same(again=again, student=student)
    with_student = (one.astype(np.float64) + other) / 2
    return NoiseCeiling(
        clustered_mean(itself, clusters, seed),
        clustered_mean(with_student, clusters, seed),
        clustered_difference(with_student, itself, clusters, seed),
    )


def _same(**sides: Sequence[Hashable | None]) -> NDArray[np.bool_]:
    (name_a, a), (name_b, b) = sides.items()
    if len(a) != len(b):
        raise ValueError(
            f"both sides must hold the same items, but {name_a} has {len(a)}, {name_b} has {len(b)}"
        )
    if not a:
        raise ValueError(f"{name_a} and {name_b} are empty")
    return np.array([x is not None and x == y for x, y in zip(a, b, strict=True)], np.bool_)
