r"""Where the student is better than its teacher, and where the teacher is: SFS and TFS.

The items are parted once, from the models *before* distillation: the student-favoured subdomain SFS
and the rest, TFS. For any parting, and any model M against the teacher T,

.. math:: s_M - s_T = \underbrace{\pi_F \, E[s_M - s_T | SFS]}_{advantage}
                    - \underbrace{\pi_T \, E[s_T - s_M | TFS]}_{deficit} = margin

with mean scores s and masses pi. It is an identity, no guarantee; what it shows is where a method
gains and where it loses. A parting that is read from the very numbers that it then explains finds
both an advantage and a deficit in noise: take it from other models or other runs (out-of-fold
losses, say) than those compared.

Source: Feng et al. 2026, arXiv 2601.10114.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import floats, same_length
from .clustered import clustered_difference, clustered_mean, ratio_of_means
from .estimate import Comparison, Estimate


@dataclass(frozen=True, eq=False)
class Partition:
    """Which items are whose.

    Attributes:
        sfs: True where the student is better, ``[n]``; everything else is TFS.
        ties: True where neither is better, ``[n]``; such items are in TFS.
        basis: What it was read from: ``"loss"`` or ``"correctness"``.
    """

    sfs: NDArray[np.bool_]
    ties: NDArray[np.bool_]
    basis: str

    @property
    def n(self) -> int:
        """Number of items."""
        return self.sfs.size


@dataclass(frozen=True)
class Subdomains:
    """A model against the teacher, taken apart.

    Attributes:
        n: Items.
        basis: What the parting was read from.
        mass_sfs: Share of the items in SFS.
        mass_tfs: Share of the items in TFS, ties included.
        mass_ties: Share of the items on which neither was better; part of ``mass_tfs``.
        student_sfs: The model's mean score on SFS; None where SFS is empty. The next three alike.
        teacher_sfs: The teacher's mean score on SFS.
        student_tfs: The model's mean score on TFS.
        teacher_tfs: The teacher's mean score on TFS.
        advantage: Mass of SFS times the model's lead there.
        deficit: Mass of TFS times the teacher's lead there.
        margin: advantage - deficit: the difference of the mean scores, model - teacher.
    """

    n: int
    basis: str
    mass_sfs: float
    mass_tfs: float
    mass_ties: float
    student_sfs: float | None
    teacher_sfs: float | None
    student_tfs: float | None
    teacher_tfs: float | None
    advantage: Estimate
    deficit: Estimate
    margin: Comparison

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them; results as :meth:`Estimate.as_dict` gives them."""
        found = asdict(self)
        for name in ("advantage", "deficit", "margin"):
            found[name] = getattr(self, name).as_dict()
        return {name: field for name, field in found.items() if field is not None}


@dataclass(frozen=True)
class Recovery:
    """What distillation did to both subdomains.

    Attributes:
        retention: Advantage after / advantage before: 1 keeps all that the student knew better.
            None where the advantage before is not above 0 by more than noise: by losses, a student
            can be behind on SFS, too, and a share of that says nothing.
        repair: 1 - deficit after / deficit before: 1 closes the teacher's lead. None alike.
    """

    retention: Estimate | None
    repair: Estimate | None


def by_loss(student: ArrayLike, teacher: ArrayLike, tolerance: float = 0.0) -> Partition:
    """Part the items by the losses of the fine-tuned student and the teacher on the right answer.

    Args:
        student: Loss of the student on each item, ``[n]``, nats per token of the answer, say.
        teacher: Loss of the teacher on the same items.
        tolerance: Losses that differ by no more are a tie.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, or the tolerance is negative.
    """
    losses, other = floats(student, "student"), floats(teacher, "teacher")
    same_length(student=losses, teacher=other)
    return _part(other - losses, tolerance, "loss")


def by_correctness(student: ArrayLike, teacher: ArrayLike, band: float = 0.0) -> Partition:
    """Part the items by how often both models answer them rightly.

    Args:
        student: Right (1) or wrong (0), or the share of m samples that is right, ``[n]``.
        teacher: The same of the teacher, on the same items.
        band: Shares that differ by no more are a tie; with m samples ``1/m`` is sensible.

    Raises:
        ValueError: An array is empty, lengths differ, or a share is not from 0 to 1.
    """
    shares = {}
    for name, values in (("student", student), ("teacher", teacher)):
        shares[name] = floats(values, name)
        bad = np.flatnonzero((shares[name] < 0) | (shares[name] > 1))
        if bad.size:
            raise ValueError(
                f"{name} holds {shares[name][bad[0]]} at item {bad[0]}; a share is from 0 to 1"
            )
    same_length(**shares)
    return _part(shares["student"] - shares["teacher"], band, "correctness")


def by_subdomain(
    partition: Partition,
    student: ArrayLike,
    teacher: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Subdomains:
    """Take the difference of two models' scores apart by subdomain.

    Args:
        partition: Fixed from the models before distillation, over the same items.
        student: Score of the model on each item, ``[n]``, higher is better: right or wrong, F1, or
            a negative loss.
        teacher: Score of the teacher on the same items.
        clusters: Document of each item; intervals resample documents.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, or does not describe the partition's items.
    """
    scores, other = floats(student, "student"), floats(teacher, "teacher")
    same_length(partition=partition.sfs, student=scores, teacher=other)
    sfs, lead = partition.sfs, scores - other
    return Subdomains(
        partition.n,
        partition.basis,
        float(sfs.mean()),
        float((~sfs).mean()),
        float(partition.ties.mean()),
        _mean(scores[sfs]),
        _mean(other[sfs]),
        _mean(scores[~sfs]),
        _mean(other[~sfs]),
        clustered_mean(np.where(sfs, lead, 0.0), clusters, seed),
        clustered_mean(np.where(sfs, 0.0, -lead), clusters, seed),
        clustered_difference(scores, other, clusters, seed),
    )


def recovery(
    partition: Partition,
    distilled: ArrayLike,
    before: ArrayLike,
    teacher: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Recovery:
    """What a distilled student kept of the advantage, and closed of the deficit, of the one before.

    Args:
        partition: Fixed from the models before distillation, over the same items.
        distilled: Score of the distilled student on each item, ``[n]``, higher is better.
        before: Score of the student before distillation.
        teacher: Score of the teacher.
        clusters: Document of each item; intervals resample documents.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty or not finite, or does not describe the partition's items.
    """
    after, first = floats(distilled, "distilled"), floats(before, "before")
    other = floats(teacher, "teacher")
    same_length(partition=partition.sfs, distilled=after, before=first, teacher=other)
    sfs = partition.sfs
    advantage, deficit = np.where(sfs, first - other, 0.0), np.where(sfs, 0.0, other - first)
    kept = closed = None
    if advantage.sum() > 0:
        kept = ratio_of_means(np.where(sfs, after - other, 0.0), advantage, clusters, seed)
    if deficit.sum() > 0:  # 1 - after / before = (before - after) / before, on TFS
        closed = ratio_of_means(np.where(sfs, 0.0, after - first), deficit, clusters, seed)
    return Recovery(kept, closed)


def _part(lead: NDArray[np.float64], tolerance: float, basis: str) -> Partition:
    if not tolerance >= 0:
        raise ValueError(f"what counts as a tie must not be negative, got {tolerance}")
    # Shares of m samples are multiples of 1/m, but not in floating point.
    ties = np.abs(lead) <= tolerance + 1e-12 * (tolerance > 0)
    sfs = (lead > 0) & ~ties
    for mask in (sfs, ties):
        mask.setflags(write=False)
    return Partition(sfs, ties, basis)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None
