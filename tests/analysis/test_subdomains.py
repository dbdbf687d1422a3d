"""The parting into SFS and TFS, and the identity that makes it worth reporting."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from limbeck.analysis import (
    Partition,
    by_correctness,
    by_loss,
    by_subdomain,
    clustered,
    mcnemar,
    recovery,
)

SCORES = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        *(arrays(np.float64, n, elements=st.floats(-20, 20)) for _ in range(2)),
        *(arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])) for _ in range(2)),
    )
)


def _quick(*args):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustered, "RESAMPLES", 50)
        return by_subdomain(*args)


@settings(deadline=None, max_examples=50)
@given(SCORES)
def test_the_margin_is_the_difference_of_accuracies_whatever_the_parting(items):
    """Advantage and deficit that do not add up would tell a story about other models."""
    loss_student, loss_teacher, student, teacher = items
    for partition in (by_loss(loss_student, loss_teacher), by_correctness(teacher, student)):
        for a, b in ((student, teacher), (-loss_student, -loss_teacher)):
            found = _quick(partition, a, b)
            margin = found.advantage.value - found.deficit.value
            assert abs(margin - (a.mean() - b.mean())) < 1e-12
            assert abs(margin - found.margin.difference) < 1e-12
            assert (
                abs(found.mass_sfs + found.mass_tfs - 1) < 1e-12
                and found.mass_ties <= found.mass_tfs
            )
            # the definition, mass times mean lead, on the subdomains that hold items
            parts = 0.0
            if found.student_sfs is not None:
                parts += found.mass_sfs * (found.student_sfs - found.teacher_sfs)
            if found.student_tfs is not None:
                parts += found.mass_tfs * (found.student_tfs - found.teacher_tfs)
            assert abs(parts - margin) < 1e-12


@settings(deadline=None, max_examples=40)
@given(SCORES)
def test_the_models_own_losses_part_them_into_gain_and_loss(items):
    student, teacher, *_ = items
    found = _quick(by_loss(student, teacher), -student, -teacher)
    assert found.advantage.value >= 0 and found.deficit.value >= 0


def test_one_after_another():
    partition = by_loss([1.0, 2.0, 0.5, 3.0], [2.0, 1.0, 0.5, 2.99], tolerance=0.05)
    assert partition.sfs.tolist() == [True, False, False, False]
    assert partition.ties.tolist() == [False, False, True, True]
    found = by_subdomain(partition, [1, 0, 1, 0], [0, 1, 1, 1])
    assert (found.mass_sfs, found.mass_tfs, found.mass_ties) == (0.25, 0.75, 0.5)
    assert (found.student_sfs, found.teacher_sfs) == (1, 0)
    assert (found.student_tfs, found.teacher_tfs) == pytest.approx((1 / 3, 1))
    assert (found.advantage.value, found.deficit.value) == (0.25, 0.5)
    assert (found.margin.difference, found.n, found.basis) == (-0.25, 4, "loss")
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_lower_loss_is_better_and_a_higher_share_is_better():
    assert by_loss([1.0, 3.0], [2.0, 2.0]).sfs.tolist() == [True, False]
    assert by_correctness([1.0, 0.2], [0.5, 0.6]).sfs.tolist() == [True, False]


def test_right_and_wrong_are_the_corners_of_mcnemar():
    rng = np.random.default_rng(1)
    student, teacher = rng.random(300) < 0.6, rng.random(300) < 0.7
    found = by_subdomain(by_correctness(student, teacher), student, teacher)
    table = mcnemar(student, teacher)
    assert found.advantage.value * 300 == pytest.approx(table.n10)
    assert found.deficit.value * 300 == pytest.approx(table.n01)


def test_one_sample_of_ten_more_is_within_the_band():
    """0.4 - 0.3 is a hair more than 0.1 in floating point; it is still one sample of ten."""
    partition = by_correctness([0.4, 0.8, 0.3], [0.3, 0.5, 0.3], band=0.1)
    assert partition.ties.tolist() == [True, False, True]
    assert partition.sfs.tolist() == [False, True, False]


def test_the_parting_stays_as_it_was_fixed():
    partition = by_loss([1.0], [2.0])
    with pytest.raises(ValueError, match="read-only"):
        partition.sfs[0] = False


def test_a_domain_where_the_student_wins():
    """A student better on a third of the items by far, worse on the others by little."""
    rng = np.random.default_rng(2)
    sfs = np.arange(1500) < 500
    teacher = rng.random(1500) < np.where(sfs, 0.3, 0.8)
    student = rng.random(1500) < np.where(sfs, 0.9, 0.75)
    found = by_subdomain(Partition(sfs, np.zeros(1500, bool), "loss"), student, teacher)
    assert found.advantage.low < 0.2 < found.advantage.high
    assert found.deficit.low < 0.05 * 2 / 3 < found.deficit.high
    assert found.margin.low > 0 and found.margin.p < 0.001


def test_documents_widen_the_intervals():
    rng = np.random.default_rng(3)
    documents = np.repeat(np.arange(30), 20)
    student = rng.random(600) < rng.random(30)[documents]
    teacher = rng.random(600) < rng.random(30)[documents]
    partition = by_loss(rng.random(600), rng.random(600))
    one = by_subdomain(partition, student, teacher).margin
    other = by_subdomain(partition, student, teacher, documents.tolist()).margin
    assert other.clusters == 30 and other.high - other.low > 2 * (one.high - one.low)


def test_retention_and_repair():
    rng = np.random.default_rng(4)
    n = 1200
    sfs = rng.random(n) < 0.4
    teacher = rng.random(n) < np.where(sfs, 0.4, 0.9)
    before = rng.random(n) < np.where(sfs, 0.8, 0.5)
    # keeps three quarters of its lead, and closes half of the teacher's
    keep = rng.random(n) < np.where(sfs, 0.75, 0.5)
    after = np.where(keep, before, teacher)
    partition = Partition(sfs, np.zeros(n, bool), "loss")
    found = recovery(partition, after, before, teacher)
    assert found.retention.low < 0.75 < found.retention.high
    assert found.repair.low < 0.5 < found.repair.high
    first, second = (by_subdomain(partition, one, teacher) for one in (before, after))
    assert found.retention.value == pytest.approx(second.advantage.value / first.advantage.value)
    assert found.repair.value == pytest.approx(1 - second.deficit.value / first.deficit.value)


def test_nothing_to_keep_and_nothing_to_repair():
    ones, masks = np.ones(50), np.arange(50) < 20
    found = recovery(Partition(masks, ~masks, "loss"), ones, ones, ones)
    assert found.retention is None and found.repair is None


def test_no_share_of_an_advantage_that_is_none():
    """Parted by losses, a student can answer worse where its losses are lower: keeping half of that
    lag would read as retention, and doubling it as a retention of 200 %."""
    sfs, ones, none = np.arange(80) < 40, np.ones(80), np.zeros(80)
    partition = Partition(sfs, np.zeros(80, bool), "loss")
    behind = np.where(sfs, none, ones)  # on SFS behind the teacher, on TFS ahead of it
    found = recovery(partition, none, behind, np.where(sfs, ones, none))
    assert found.retention is None and found.repair is None


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("n", [1, 5])
def test_degenerate_models(n: int, right: float):
    scores = np.full(n, right)
    for partition in (by_loss(scores, scores), by_correctness(scores, scores)):
        found = by_subdomain(partition, scores, scores)
        assert found.mass_sfs == 0 and found.mass_ties == 1
        assert found.student_sfs is None and found.student_tfs == right
        assert found.advantage.value == found.deficit.value == 0 and found.margin.p == 1
        json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: by_loss([1.0, np.nan], [1.0, 1.0]), "student holds nan at item 1"),
        (lambda: by_loss([1.0], [np.inf]), "teacher holds inf at item 0"),
        (lambda: by_loss([1.0], [1.0, 2.0]), "student has 1, teacher has 2"),
        (lambda: by_loss([1.0], [1.0], tolerance=-1), "must not be negative"),
        (lambda: by_loss([1.0], [1.0], tolerance=float("nan")), "must not be negative"),
        (lambda: by_correctness([1.5], [1.0]), "student holds 1.5 at item 0"),
        (lambda: by_correctness([], []), "student must be a non-empty vector"),
        (
            lambda: by_subdomain(by_loss([1.0], [1.0]), [1, 0], [1, 0]),
            "partition has 1, student has 2",
        ),
        (lambda: recovery(by_loss([1.0], [1.0]), [1], [1], [1, 1]), "teacher has 2"),
    ],
)
def test_bad_input_is_named(call, named: str):
    with pytest.raises(ValueError, match=named):
        call()
