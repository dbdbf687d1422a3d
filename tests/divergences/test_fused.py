"""The loss straight from hidden states equals the loss on dense logits, with its gradients."""

import threading
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from limbeck import divergences as ours
from limbeck.divergences import Head, linear_divergence, linear_loss
from limbeck.divergences.fused import chunks

DIVERGENCES = {
    "forward_kl": ours.forward_kl,
    "reverse_kl": ours.reverse_kl,
    "jensen_shannon": partial(ours.jensen_shannon, beta=0.3),
    "skew_kl": partial(ours.skew_kl, alpha=0.1),
    "skew_reverse_kl": partial(ours.skew_reverse_kl, alpha=0.1),
    "total_variation": ours.total_variation,
    "adaptive_kl": ours.adaptive_kl,
    "alpha_beta": partial(ours.alpha_beta, alpha=0.2, beta=0.7),
}


def renyi(log_p: Tensor, log_q: Tensor) -> Tensor:
    """A divergence of a user: nothing here knows its gradient in closed form."""
    return -2 * torch.logsumexp(0.5 * (log_p + log_q), dim=-1)


@dataclass
class Setup:
    """Hidden states and heads of a teacher and a student of different widths."""

    teacher_hidden: Tensor
    teacher: Head
    student_hidden: Tensor
    student: Head
    weight: Tensor | None = None
    temperature: float = 1.0

    def leaves(self):
        return [
            x
            for x in (self.student_hidden, self.student.weight, self.student.bias)
            if x is not None
        ]

    def fused(self, divergence, chunk_bytes=2**28):
        return linear_divergence(
            self.teacher_hidden,
            self.teacher,
            self.student_hidden,
            self.student,
            divergence,
            weight=self.weight,
            temperature=self.temperature,
            chunk_bytes=chunk_bytes,
        )

    def dense(self, divergence):
        """All logits at once, from the formula in the docstring of `Head`."""

        def log_probs(hidden, head):
            z = hidden @ head.weight.T
            if head.bias is not None:
                z = z + head.bias
            z = z * head.scale
            if head.softcap is not None:
                z = head.softcap * torch.tanh(z / head.softcap)
            return (z / self.temperature).log_softmax(-1)

        with torch.no_grad():
            log_p = log_probs(self.teacher_hidden, self.teacher)
        value = divergence(log_p, log_probs(self.student_hidden, self.student))
        return value.sum() if self.weight is None else (self.weight * value).sum()


def make(n=5, v=7, seed=0, dtype=torch.float64, bias=True, scale=1.0, softcap=None, **rest):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)

    ht, hs = 6, 4
    teacher = Head(draw(v, ht), draw(v) if bias else None, scale, softcap)
    student = Head(draw(v, hs), draw(v) if bias else None, scale, softcap)
    setup = Setup(draw(n, ht), teacher, draw(n, hs), student, **rest)
    for leaf in setup.leaves():
        leaf.requires_grad_()
    return setup


def relative_error(actual: Tensor, expected: Tensor, floor: float = 1e-30) -> float:
    """In norm: rounding in a sum is relative to its terms, not to what is left of them."""
    size = expected.detach().norm().clamp(min=floor)
    return float((actual - expected).detach().norm() / size) if expected.numel() else 0.0


def agree(setup, divergence, chunk_bytes, tolerance, floor=1e-30):
    fused, dense = setup.fused(divergence, chunk_bytes), setup.dense(divergence)
    assert relative_error(fused, dense, floor) <= tolerance
    gradients = torch.autograd.grad(fused, setup.leaves())
    expected = torch.autograd.grad(dense, setup.leaves(), materialize_grads=True)
    for actual, wanted, leaf in zip(gradients, expected, setup.leaves(), strict=True):
        assert actual.dtype == leaf.dtype and actual.shape == leaf.shape
        assert relative_error(actual, wanted, floor) <= tolerance


@st.composite
def setups(draw, dtype):
    n = draw(st.sampled_from([0, 1, 2, 3, 8, 17]))
    v = draw(st.integers(2, 20))
    kind = draw(st.sampled_from(["none", "ones", "zeros", "some"]))
    weights = {
        "none": None,
        "ones": torch.ones(n, dtype=dtype),
        "zeros": torch.zeros(n, dtype=dtype),
        "some": torch.arange(n, dtype=dtype) % 3 - 0.5 * (torch.arange(n, dtype=dtype) % 2),
    }
    return make(
        n,
        v,
        seed=draw(st.integers(0, 999)),
        dtype=dtype,
        bias=draw(st.booleans()),
        scale=draw(st.sampled_from([1.0, 0.25, 2.0])),
        softcap=draw(st.sampled_from([None, 3.0, 30.0])),
        weight=weights[kind],
        temperature=draw(st.sampled_from([1.0, 2.0, 0.7])),
    )


chunk_sizes = st.sampled_from([1, 16 * 20 * 2, 16 * 20 * 3, 2**28])
every_divergence = pytest.mark.parametrize("name", DIVERGENCES)


@every_divergence
@given(setup=setups(torch.float64), chunk_bytes=chunk_sizes)
def test_equals_dense_in_float64(name, setup, chunk_bytes):
    """The fused path would train another loss than the one that the formulas are tested for."""
    agree(setup, DIVERGENCES[name], chunk_bytes, tolerance=1e-12, floor=1e-2)


@every_divergence
@given(setup=setups(torch.float32), chunk_bytes=chunk_sizes)
def test_equals_dense_in_float32(name, setup, chunk_bytes):
    # Rounding is relative to the terms of a row, which are of the order of 1; alpha_beta divides
    # what is left of them by alpha * beta = 0.14.
    agree(setup, DIVERGENCES[name], chunk_bytes, 7e-6 if name == "alpha_beta" else 1e-6, floor=1.0)


@given(setup=setups(torch.float64), chunk_bytes=chunk_sizes)
def test_a_function_of_the_user_equals_autograd_on_dense(setup, chunk_bytes):
    """Only our own divergences would be differentiated correctly."""
    agree(setup, renyi, chunk_bytes, tolerance=1e-12)


@every_divergence
def test_every_row_a_chunk(name):
    setup = make(n=9, weight=torch.rand(9, dtype=torch.float64))
    agree(setup, DIVERGENCES[name], chunk_bytes=1, tolerance=1e-12)


def test_no_chunk_exceeds_its_memory():
    """The promise that no [tokens, vocabulary] tensor exists would be empty."""
    sizes = []

    def watch(log_p, log_q):
        sizes.append(log_q.shape[0])
        return ours.forward_kl(log_p, log_q)

    setup = make(n=23, v=16)
    loss = setup.fused(watch, chunk_bytes=2 * 16 * 8 * 4)  # tiles x vocabulary x bytes x rows
    assert sum(sizes) == 23 and max(sizes) == 4
    assert relative_error(loss, setup.dense(ours.forward_kl)) < 1e-12


def test_rows_of_no_weight_cost_nothing():
    seen = []

    def watch(log_p, log_q):
        seen.append(len(log_q))
        return ours.forward_kl(log_p, log_q)

    setup = make(n=6, weight=torch.tensor([0.0, 1, 0, 0, 2, 0], dtype=torch.float64))
    setup.fused(watch)
    assert seen == [2]


def test_rows_of_no_weight_cannot_poison_the_sum():
    """0 * NaN: one padded position of garbage would end the training."""
    setup = make(n=3, weight=torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    setup.teacher_hidden[1] = torch.nan
    with torch.no_grad():
        setup.student_hidden[1] = torch.inf
    loss = setup.fused(ours.forward_kl)
    loss.backward()
    assert loss.isfinite() and setup.student.weight.grad.isfinite().all()
    assert setup.student_hidden.grad[1].eq(0).all()


@pytest.mark.parametrize("name", [n for n in DIVERGENCES if n != "adaptive_kl"])
def test_gradcheck(name):
    """Adaptive KL holds its weight still, which finite differences do not."""
    by_row = torch.tensor([1.0, 0.0, 0.4], dtype=torch.float64)
    setup = make(n=3, v=5, softcap=4.0, scale=0.5, temperature=1.5)

    def loss(hidden, weight, bias):
        return linear_divergence(
            setup.teacher_hidden,
            setup.teacher,
            hidden,
            Head(weight, bias, 0.5, 4.0),
            DIVERGENCES[name],
            weight=by_row,
            temperature=1.5,
            chunk_bytes=1,
        )

    assert torch.autograd.gradcheck(loss, tuple(setup.leaves()))


def test_what_follows_scales_the_gradient():
    """Dividing by the token count, or a loss scaler, would change the loss but not the step."""
    once, thrice = make(seed=1), make(seed=1)
    once.fused(ours.reverse_kl).backward()
    (3 * thrice.fused(ours.reverse_kl)).backward()
    for a, b in zip(once.leaves(), thrice.leaves(), strict=True):
        torch.testing.assert_close(3 * a.grad, b.grad, rtol=1e-14, atol=0)


def test_gradient_accumulates_over_calls():
    one, two = make(seed=2), make(seed=2)
    one.fused(ours.forward_kl).backward()
    for _ in range(2):
        two.fused(ours.forward_kl).backward()
    for a, b in zip(one.leaves(), two.leaves(), strict=True):
        torch.testing.assert_close(2 * a.grad, b.grad, rtol=1e-14, atol=0)


def test_gradient_flows_on_into_what_made_the_hidden_states():
    setup = make(seed=3)
    base = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    losses = []
    for path in ("fused", "dense"):
        setup.student_hidden = base.tanh()
        (grad,) = torch.autograd.grad(getattr(setup, path)(ours.forward_kl), base)
        losses.append(grad)
    assert relative_error(*losses) < 1e-12


def test_no_gradient_where_nothing_requires_it():
    setup = make()
    for leaf in setup.leaves():
        leaf.requires_grad_(False)
    loss = setup.fused(ours.forward_kl)
    assert not loss.requires_grad
    assert relative_error(loss, setup.dense(ours.forward_kl)) < 1e-12


def test_nothing_is_differentiated_under_no_grad():
    setup = make()
    with torch.no_grad():
        assert not setup.fused(ours.forward_kl).requires_grad


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_only_what_requires_a_gradient_gets_one(trained):
    """A frozen head (LoRA) would be trained, or a trained one left out."""
    setup, whole = make(seed=4), make(seed=4)
    for i, leaf in enumerate(setup.leaves()):
        leaf.requires_grad_(i == trained)
    setup.fused(ours.forward_kl).backward()
    whole.fused(ours.forward_kl).backward()
    for i, (a, b) in enumerate(zip(setup.leaves(), whole.leaves(), strict=True)):
        if i == trained:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-13, atol=0)
        else:
            assert a.grad is None


def test_the_teacher_gets_no_gradient():
    setup = make()
    for x in (setup.teacher_hidden, setup.teacher.weight, setup.teacher.bias):
        x.requires_grad_()
    setup.fused(ours.forward_kl).backward()
    assert setup.teacher_hidden.grad is setup.teacher.weight.grad is setup.teacher.bias.grad is None


def test_half_precision_keeps_its_dtype_and_sums_in_float32():
    """bf16 sums over a vocabulary lose the tail of the distribution."""
    setup = make(n=64, v=200, seed=5, dtype=torch.bfloat16)
    exact = make(n=64, v=200, seed=5)
    exact.teacher_hidden = setup.teacher_hidden.double()
    exact.teacher = Head(setup.teacher.weight.double(), setup.teacher.bias.double())
    leaves = [x.detach().double().requires_grad_() for x in setup.leaves()]
    exact.student_hidden, exact.student = leaves[0], Head(leaves[1], leaves[2])
    loss, expected = setup.fused(ours.forward_kl, chunk_bytes=1), exact.dense(ours.forward_kl)
    assert loss.dtype == torch.float32
    assert relative_error(loss.double(), expected) < 1e-6
    loss.backward(), expected.backward()
    for a, b in zip(setup.leaves(), leaves, strict=True):
        assert a.grad.dtype == torch.bfloat16
        # Each entry is the exact one, rounded once: half of bf16's 2^-7 spacing.
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=2**-8, atol=1e-5)


def test_autocast_does_not_reach_the_loss():
    """Under the Trainer's bf16 the log-softmax would be taken in bf16."""
    setup = make(dtype=torch.float32)
    expected = setup.fused(ours.forward_kl)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert setup.fused(ours.forward_kl).equal(expected)


def test_small_gradients_survive_a_loss_scale():
    """With float16 hidden states tiny gradients would be flushed to 0 before the scaler acts."""
    setup = make(n=4, seed=6, dtype=torch.float16)
    with torch.no_grad():
        setup.teacher_hidden *= 1e-3
        setup.student_hidden *= 1e-3
    loss = 1e-6 * setup.fused(ours.forward_kl)
    (loss * 2.0**16).backward()
    reference = make(n=4, seed=6, dtype=torch.float16)
    with torch.no_grad():
        reference.teacher_hidden *= 1e-3
        reference.student_hidden *= 1e-3
    reference.fused(ours.forward_kl).backward()
    expected = reference.student.weight.grad.float() * 1e-6 * 2.0**16
    torch.testing.assert_close(setup.student.weight.grad.float(), expected, rtol=5e-3, atol=2e-7)


@pytest.mark.parametrize("per_call", [1, 3, 1000])
def test_linear_loss_hands_each_row_over_once_and_in_order(per_call):
    """Labels, targets and logits would be paired with each other's rows."""
    hidden, head = torch.randn(11, 4), Head(torch.randn(5, 4))
    seen = []

    def losses(slices):
        for rows in slices:

            def row_loss(logits, block, rows=rows):
                own = range(rows.start, rows.stop)[block]
                torch.testing.assert_close(logits, hidden[list(own)] @ head.weight.T)
                seen.extend(own)
                return {"row": torch.tensor([float(i) for i in own])}

            yield row_loss

    loss, terms = linear_loss(hidden, head, losses, chunk_bytes=2 * 5 * 4 * per_call)
    assert seen == list(range(11)) == terms["row"].tolist()
    assert loss == sum(seen)


@given(
    rows=st.integers(0, 300),
    vocabulary=st.integers(1, 50),
    chunk_bytes=st.integers(1, 20_000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_chunks_cover_the_rows_exactly(rows, vocabulary, chunk_bytes, dtype):
    parts = chunks(rows, vocabulary, torch.empty(0, dtype=dtype), chunk_bytes)
    assert [i for s in parts for i in range(s.start, s.stop)] == list(range(rows))
    sizes = [s.stop - s.start for s in parts]
    assert len(parts) >= 1  # a rank without tokens takes part all the same
    assert max(sizes) - min(sizes) <= 1
    one_row = 2 * vocabulary * dtype.itemsize  # the student's logits and the teacher's
    assert max(sizes) <= max(1, chunk_bytes // one_row)


@every_divergence
def test_threads_change_nothing(name):
    """Blocks of a chunk are shared among threads; each must meet its own rows."""
    setup, before = make(n=40, v=2**14, seed=7), torch.get_num_threads()
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            loss = setup.fused(DIVERGENCES[name])
            results.append([loss.detach(), *torch.autograd.grad(loss, setup.leaves())])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    for one, many in zip(*results, strict=True):
        torch.testing.assert_close(one, many, rtol=1e-12, atol=1e-14)


def test_no_small_operation_is_shared_among_threads():
    """Barriers that spin after each of them cost a busy machine many times the work itself."""
    seen = []

    def nosy(log_p, log_q):
        seen.append((threading.get_ident(), torch.get_num_threads()))
        return ours.forward_kl(log_p, log_q)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make(n=80, v=2**14).fused(nosy)
    finally:
        torch.set_num_threads(before)
    assert len(seen) > 2 and {threads for _, threads in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}


def test_an_error_in_a_thread_is_the_callers():
    def broken(log_p, log_q):
        raise ZeroDivisionError("in a thread")

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError, match="in a thread"):
            make(n=40, v=2**14).fused(broken)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_graph_that_is_kept_can_be_asked_twice():
    """The gradient is scaled in place only where nobody will ask again."""
    setup = make(seed=8)
    loss = setup.fused(ours.forward_kl)
    first = torch.autograd.grad(2 * loss, setup.leaves(), retain_graph=True)
    second = torch.autograd.grad(3 * loss, setup.leaves())
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(1.5 * a, b, rtol=1e-14, atol=0)


def test_no_rows_still_give_a_gradient():
    """A rank without supervised tokens would leave the others waiting."""
    setup = make(n=0)
    loss = setup.fused(ours.forward_kl)
    loss.backward()
    assert loss == 0 and setup.student.weight.grad.eq(0).all()


def test_shapes_that_do_not_fit_are_refused():
    setup = make(n=4)
    setup.teacher_hidden = setup.teacher_hidden[:3]
    with pytest.raises(ValueError, match="3 teacher rows against 4"):
        setup.fused(ours.forward_kl)
    setup = make(n=4, v=7)
    setup.teacher = setup.teacher.narrow(6)
    with pytest.raises(ValueError, match="narrow"):
        setup.fused(ours.forward_kl)


def test_plain_weights_are_heads():
    setup = make(bias=False)
    plain = linear_divergence(
        setup.teacher_hidden,
        setup.teacher.weight,
        setup.student_hidden,
        setup.student.weight,
        ours.forward_kl,
    )
    assert plain.equal(setup.fused(ours.forward_kl))


def test_narrow_keeps_the_first_events_and_their_gradient():
    """Rows of a padded head would take probability that no token can have."""
    setup = make(v=9)
    narrow = setup.student.narrow(6)
    assert narrow.weight.shape[0] == narrow.bias.shape[0] == 6
    torch.testing.assert_close(
        narrow.logits(setup.student_hidden), setup.student.logits(setup.student_hidden)[:, :6]
    )
    setup.teacher, whole = setup.teacher.narrow(6), setup.student
    setup.student = narrow
    loss = setup.fused(ours.forward_kl)
    (grad,) = torch.autograd.grad(loss, whole.weight)
    assert grad[6:].eq(0).all() and grad[:6].ne(0).any()
    assert whole.narrow(9) is whole


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_are_made_in_float32(dtype):
    hidden, weight = torch.randn(3, 8).to(dtype), torch.randn(5, 8).to(dtype)
    logits = Head(weight).logits(hidden)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, hidden.float() @ weight.float().T)


def test_without_gradients_nothing_is_differentiated():
    """An evaluation would pay for the two products of a training step."""
    setup = make(n=6, v=20)

    def losses(slices):
        for _ in slices:
            yield lambda logits, block: {"grad": torch.full((len(logits),), logits.requires_grad)}

    hidden, head = setup.student_hidden, setup.student
    with torch.no_grad():
        loss, terms = linear_loss(hidden, head, losses)
    assert not terms["grad"].any() and not loss.requires_grad
    loss, terms = linear_loss(hidden, head, losses)
    assert terms["grad"].all()


def test_terms_that_do_not_depend_on_the_student():
    setup = make(n=6, v=20)
    inputs = [setup.student_hidden, setup.student.weight, setup.student.bias]

    def run(depends):
        def losses(slices):
            for _ in slices:
                yield lambda logits, block: {
                    "b": logits.new_ones(len(logits)),
                    **({"a": logits.logsumexp(-1)} if depends else {}),
                }

        loss, terms = linear_loss(setup.student_hidden, setup.student, losses)
        return terms, torch.autograd.grad(loss, inputs)

    terms, gradients = run(depends=False)
    assert set(terms) == {"b"} and not any(g.any() for g in gradients)
    terms, gradients = run(depends=True)
    plain = setup.student.logits(setup.student_hidden).logsumexp(-1)
    torch.testing.assert_close(terms["a"], plain.detach())
    for found, expected in zip(gradients, torch.autograd.grad(plain.sum(), inputs), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda log_p, log_q: (log_p - log_q).sum(),
        lambda log_p, log_q: log_p - log_q,
    ],
)
def test_a_loss_that_is_not_one_value_a_row_is_refused(wrong):
    """Summed up, it would be a number like any other."""
    with pytest.raises(ValueError, match="one value for each row"):
        make(n=5).fused(wrong, chunk_bytes=1)


def test_a_term_that_is_a_view_of_the_logits_keeps_its_value():
    """Blocks are overwritten with their gradient as soon as they are done."""
    hidden, weight = torch.randn(6, 4), torch.randn(2**17, 4)

    def losses(slices):
        for _ in slices:
            yield lambda logits, block: {"view": logits[:, 5]}

    loss, terms = linear_loss(hidden.requires_grad_(), Head(weight), losses)
    expected = hidden @ weight[5]
    torch.testing.assert_close(terms["view"], expected.detach())
    torch.testing.assert_close(loss, expected.sum())


def test_a_weight_for_other_rows_is_refused():
    setup = make(n=5)
    setup.weight = torch.ones(3)
    with pytest.raises(ValueError, match="weight of shape"):
        setup.fused(DIVERGENCES["forward_kl"])
