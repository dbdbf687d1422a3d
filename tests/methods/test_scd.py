"""Checkpoint distillation: which checkpoint, which weight, which loss."""

import math
import random
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data.batch import Author, Sequence
from limbeck.methods import CD, KD, SCD
from limbeck.methods.scd import FLOOR, adaptive_weights

from .texts import ONE_HOT, Z_P, Z_Q, N, check, forward, nll, run, softmax


@dataclass
class Path:
    """A lab whose models are distributions over a few events: best, student and checkpoints."""

    checkpoint: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 1))
    best: torch.Tensor | None = None
    student: torch.Tensor | None = None
    own: list = field(default_factory=list)
    its: dict = field(default_factory=dict)
    round: int = 0
    seed: int = 0
    asked: list = field(default_factory=list)

    @property
    def checkpoints(self):
        return len(self.checkpoint)

    def kl_from_best(self):
        return [float(forward(self.best, k)) for k in self.checkpoint]

    def kl_from_student(self):
        return [float(forward(self.student, k)) for k in self.checkpoint]

    def labelled(self):
        return [Sequence((2,), (3, 1), Author.DATA, example=i) for i in range(len(self.own))]

    def losses_of_start(self, rows, source):
        self.asked.append(("start", source))
        return [self.own[r.example] for r in rows]

    def losses_of_checkpoint(self, checkpoint, rows, source):
        self.asked.append((checkpoint, source))
        return [self.its[checkpoint][r.example] for r in rows]


def random_path(seed, n, events=6):
    g = torch.Generator().manual_seed(seed)
    drawn = softmax(1.5 * torch.randn(n + 2, events, generator=g, dtype=torch.float64))
    return Path(checkpoint=drawn[2:], best=drawn[0], student=drawn[1])


paths = given(st.integers(0, 10**6), st.integers(1, 7))

# --- the choice ----------------------------------------------------------------------------------


@paths
def test_the_choice_is_the_checkpoint_nearest_to_the_midpoint(seed, n):
    """KL(best||k) + KL(student||k) = 2 JSD(best, student) + 2 KL(midpoint||k)."""
    lab = random_path(seed, n)
    midpoint = (lab.best + lab.student) / 2
    between = forward(lab.best, midpoint) + forward(lab.student, midpoint)
    distances = forward(midpoint[None], lab.checkpoint)
    sums = torch.tensor(lab.kl_from_best()) + torch.tensor(lab.kl_from_student())
    check(sums.double(), between + 2 * distances, rtol=1e-5, atol=1e-6)
    assert SCD().teacher_checkpoint(lab) == int(distances.argmin())


@paths
def test_the_order_of_the_checkpoints_does_not_choose(seed, n):
    lab = random_path(seed, n)
    order = random.Random(seed).sample(range(n), n)
    mixed = Path(checkpoint=lab.checkpoint[order], best=lab.best, student=lab.student)
    assert order[SCD().teacher_checkpoint(mixed)] == SCD().teacher_checkpoint(lab)


@paths
def test_a_student_that_is_the_best_teacher_learns_from_the_best(seed, n):
    lab = random_path(seed, n)
    best = seed % n
    lab.best = lab.student = lab.checkpoint[best]
    assert SCD().teacher_checkpoint(lab) == best


def test_of_equals_the_later_one():
    same = softmax(torch.tensor([[0.3, 1.0, -1.0]]).double())
    far = softmax(torch.tensor([[5.0, 0.0, 0.0]]).double())
    path = torch.cat([far, same, same, far])
    assert SCD().teacher_checkpoint(Path(checkpoint=path, best=same[0], student=same[0])) == 2


def test_cd_takes_them_in_their_order():
    lab = random_path(0, 4)
    stages = range(CD().number_of_rounds(4))
    taken = []
    for lab.round in stages:
        taken.append(CD().teacher_checkpoint(lab))
    assert taken == [0, 1, 2, 3]
    assert SCD().number_of_rounds(4) == 4, "both take the same steps"


# --- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [CD, SCD])
@pytest.mark.parametrize(("lmbda", "t"), [(0.5, 1.0), (0.3, 2.0), (1.0, 1.0), (0.0, 1.0)])
def test_the_loss_without_adaptive_weights_is_that_of_kd(cls, lmbda, t):
    terms, grad = run(cls(lmbda=lmbda, temperature=t))
    expected, their_grad = run(KD(lmbda=lmbda, temperature=t))
    for name, value in expected.items():
        check(terms[name], value)
    check(grad, their_grad)


@pytest.mark.parametrize("cls", [CD, SCD])
def test_one_checkpoint_is_traditional_distillation(cls):
    """N = 1: the whole path is the teacher, and lambda one half."""
    lab = random_path(1, 1)
    assert cls().number_of_rounds(1) == 1 and cls().teacher_checkpoint(lab) == 0
    terms, grad = run(cls())
    expected, their_grad = run(KD(lmbda=0.5))
    assert list(terms) == ["kl", "nll"]
    for name, value in expected.items():
        check(terms[name], value)
    check(grad, their_grad)


def test_each_sample_has_its_weight():
    """w_i on the KL, 1 - w_i on the likelihood: the other way round a worse teacher counts more."""
    w, t = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64), 2.0
    terms, grad = run(SCD(adaptive_weight=True, temperature=t), weight=w)
    p, q, plain = softmax(Z_P, t), softmax(Z_Q, t), softmax(Z_Q)
    check(terms["kl"], w * t**2 * forward(p, q))
    check(terms["nll"], (1 - w) * nll(plain))
    check(grad, (w * t)[:, None] * (q - p) + (1 - w)[:, None] * (plain - ONE_HOT))


def test_a_weight_is_not_read_where_none_was_asked_for():
    weighed = run(SCD(), weight=torch.full((N,), 0.9))
    check(weighed[1], run(KD(lmbda=0.5))[1])


# --- the weights ---------------------------------------------------------------------------------

losses = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=1, max_size=8)


@given(losses)
def test_the_weight_is_the_students_share_of_the_loss(pairs):
    """sigmoid(log(l_S / l_k)) = l_S / (l_S + l_k)."""
    own, its = zip(*pairs, strict=True)
    weights = adaptive_weights(list(own), list(its), 1.0)
    for s, k, w in zip(own, its, weights, strict=True):
        s, k = max(s, FLOOR), max(k, FLOOR)
        assert w == pytest.approx(s / (s + k), abs=1e-12)


@given(losses, st.floats(0, 50))
def test_sharpness_is_an_exponent(pairs, sharpness):
    own, its = zip(*pairs, strict=True)
    weights = adaptive_weights(list(own), list(its), sharpness)
    for s, k, w in zip(own, its, weights, strict=True):
        ratio = (max(k, FLOOR) / max(s, FLOOR)) ** sharpness
        assert w == pytest.approx(1 / (1 + ratio), abs=1e-9)


def test_the_sharpest_weights_are_a_decision():
    """exp(1e6) is no number, and the run would end before it began."""
    assert adaptive_weights([1.0, 2.0, 1.0], [2.0, 1.0, 1.0], 1e6) == [0.0, 1.0, 0.5]


def test_a_memorised_row_says_nothing():
    """0 / 0, where both have learned the row by heart."""
    assert adaptive_weights([0.0, 1e-9], [0.0, 1e-5], 1.0) == [0.5, 0.5]
    (w,) = adaptive_weights([0.0], [1.0], 1.0)
    assert w == pytest.approx(FLOOR / (1 + FLOOR))


def prepared(**fields):
    """Weights of four samples; the second checkpoint is the one that is chosen."""
    lab = random_path(0, 2)
    lab.checkpoint = torch.stack([softmax(-3 * lab.best.log()), (lab.best + lab.student) / 2])
    lab.own, lab.its = [1.0, 0.5, 2.0, 0.1], {0: [9.0] * 4, 1: [1.0, 1.5, 0.5, 0.3]}
    rows = SCD(adaptive_weight=True, **fields).prepare(lab)
    assert [r.example for r in rows] == [0, 1, 2, 3]
    return [r.weight for r in rows], lab.asked


def test_the_weights_come_from_the_frozen_start_and_the_chosen_checkpoint():
    weights, asked = prepared()
    assert weights == pytest.approx([0.5, 0.25, 0.8, 0.25])
    assert set(asked) == {("start", "train"), (1, "train")}
    assert set(prepared(loss_source="oof")[1]) == {("start", "oof"), (1, "oof")}
    assert SCD(adaptive_weight=True).needs_start and not SCD().needs_start


def test_controls():
    """Comparisons that change more than they say prove nothing."""
    plain, _ = prepared()
    constant, _ = prepared(control="constant")
    shuffled, _ = prepared(control="shuffled")
    inverted, _ = prepared(control="inverted")
    assert constant == pytest.approx([sum(plain) / 4] * 4)
    assert sorted(shuffled) == sorted(plain) and shuffled != plain
    assert inverted == pytest.approx([1 - w for w in plain])
    assert prepared(control="shuffled")[0] == shuffled, "the same in every arm and resume"


def test_rows_without_adaptive_weights_are_the_labelled_ones():
    lab = random_path(0, 2)
    lab.own = [1.0, 2.0]
    assert SCD().prepare(lab) == CD().prepare(lab) == lab.labelled() and not lab.asked


def test_weights_are_probabilities():
    weights = adaptive_weights([math.inf, 0.0], [1.0, math.inf], 1.0)
    assert weights == [1.0, 0.0]
