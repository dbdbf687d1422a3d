"""The Triton kernels against the dense divergences in float64, in Triton's interpreter.

Not collected by itself: ``test_triton.py`` runs this file in a process whose environment switches
the interpreter on before Triton is imported.
"""

import os
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck import divergences as ours
from limbeck.divergences import Head, linear_divergence, log_probs, row_kernels
from limbeck.divergences.triton import launch

assert os.environ["TRITON_INTERPRET"] == "1"

ROWS = 5
PER_ROW = torch.tensor([0.0, 0.01, 0.1, 0.5, 0.99])
INSIDE = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.99])
CASES = {
    "forward_kl": ours.forward_kl,
    "reverse_kl": ours.reverse_kl,
    "jensen_shannon": partial(ours.jensen_shannon, beta=0.3),
    "jensen_shannon by row": partial(ours.jensen_shannon, beta=INSIDE),
    "skew_kl": partial(ours.skew_kl, alpha=0.1),
    "skew_kl by row": partial(ours.skew_kl, alpha=PER_ROW),
    "skew_reverse_kl": partial(ours.skew_reverse_kl, alpha=0.1),
    "skew_reverse_kl by row": partial(ours.skew_reverse_kl, alpha=PER_ROW),
    "skew_reverse_kl detached": partial(ours.skew_reverse_kl, alpha=PER_ROW, detach_mixture=True),
    "total_variation": ours.total_variation,
    "adaptive_kl": partial(ours.adaptive_kl, mu=0.5),
    "alpha_beta": partial(ours.alpha_beta, alpha=0.2, beta=0.7),
    "alpha_beta 1 1": partial(ours.alpha_beta, alpha=1, beta=1),
}
every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def by_triton(monkeypatch):
    monkeypatch.setenv("LIMBECK_KERNELS", "triton")
    torch.set_num_threads(1)  # the interpreter is not made for threads


def draw(n, v, seed=0, spread=2.0):
    g = torch.Generator().manual_seed(seed)
    return [spread * torch.randn(n, v, generator=g) for _ in "pq"]


def first_rows(divergence, n, dtype=torch.float32):
    """The divergence with its parameters for the first rows only."""
    if not isinstance(divergence, partial):
        return divergence
    cut = {
        k: x[:n].to(dtype) if isinstance(x, torch.Tensor) else x
        for k, x in divergence.keywords.items()
    }
    return partial(divergence.func, **cut)


def kernels(divergence, z_p, z_q, temperature=1.0):
    """Value and gradient for the student's logits by Triton."""
    leaf = z_q.clone().requires_grad_()
    value = first_rows(divergence, len(z_q))(
        log_probs(z_p, temperature), log_probs(leaf, temperature)
    )
    coefficient = torch.arange(1, len(z_q) + 1)
    (gradient,) = torch.autograd.grad((coefficient * value).sum(), leaf)
    return value.detach(), gradient


def dense(divergence, z_p, z_q, temperature=1.0):
    """The same in float64, through a log-softmax that autograd differentiates."""
    leaf = z_q.double().requires_grad_()
    log_p, log_q = ((z / temperature).log_softmax(-1) for z in (z_p.double(), leaf))
    value = first_rows(divergence, len(z_q), torch.float64)(log_p, log_q)
    coefficient = torch.arange(1, len(z_q) + 1)
    return value.detach(), torch.autograd.grad((coefficient * value).sum(), leaf)[0]


def compare(found, expected, bound=1e-5):
    (value, gradient), (true_value, true_gradient) = found, expected
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), true_value, rtol=bound, atol=1e-6)
    error = (gradient.double() - true_gradient).abs().max()
    assert error <= bound * true_gradient.abs().max() + 1e-7, float(error)


def test_the_interpreter_is_what_runs(monkeypatch):
    """All comparisons below would be of the eager form with itself."""
    assert row_kernels(torch.device("cpu")) == "triton"
    launches = []
    kernel = launch.compiled.value_kernel
    monkeypatch.setattr(
        launch.compiled, "value_kernel", {(2,): lambda *_, **__: launches.append(2)}
    )
    z_p, z_q = draw(2, 3)
    ours.forward_kl(log_probs(z_p), log_probs(z_q))
    assert launches == [2] and "Interpreted" in type(kernel).__name__


@every_case
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize(("n", "v"), [(5, 1), (1, 7), (1, 1000), (5, 1025)])
def test_equals_the_dense_divergence(name, n, v, temperature):
    z = draw(n, v)
    compare(kernels(CASES[name], *z, temperature), dense(CASES[name], *z, temperature))


@every_case
def test_several_blocks_a_row(name, monkeypatch):
    """A vocabulary of 150,000 is 75 blocks, and the running maxima move between them."""
    monkeypatch.setattr(launch, "BLOCK", 64)
    z_p, z_q = draw(3, 300, spread=1.0)
    z_p += torch.linspace(0, 30, 300)  # every block has a new maximum
    z_q += torch.linspace(0, 20, 300)
    compare(kernels(CASES[name], z_p, z_q), dense(CASES[name], z_p, z_q))


@settings(max_examples=4, deadline=None)
@given(
    name=st.sampled_from(sorted(CASES)),
    n=st.integers(1, ROWS),
    v=st.integers(1, 90),
    block=st.sampled_from([16, 32, 2048]),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0.7, 1.0, 3.0]),
)
def test_any_shape(name, n, v, block, seed, temperature):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "BLOCK", block)
        z = draw(n, v, seed)
        compare(kernels(CASES[name], *z, temperature), dense(CASES[name], *z, temperature))


@every_case
def test_half_precision_logits(name):
    """Only what comes in is rounded: arithmetic and value stay float32."""
    z_p, z_q = (z.bfloat16() for z in draw(5, 300))
    value, gradient = kernels(CASES[name], z_p, z_q)
    true_value, true_gradient = dense(CASES[name], z_p, z_q)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(value.double(), true_value, rtol=1e-5, atol=1e-6)
    unit = torch.finfo(torch.bfloat16).eps  # the interpreter cuts off where a GPU rounds
    assert (gradient.double() - true_gradient).abs().le(unit * true_gradient.abs() + 1e-6).all()


@every_case
def test_extreme_logits(name):
    """A model that is certain would end the training with NaN."""
    z = draw(5, 9, 3, spread=1e4)
    (value, gradient), (true_value, true_gradient) = (f(CASES[name], *z) for f in (kernels, dense))
    assert value.isfinite().all() and gradient.isfinite().all()
    torch.testing.assert_close(value.double(), true_value, rtol=2e-6, atol=2e-2)
    torch.testing.assert_close(gradient.double(), true_gradient, rtol=1e-4, atol=2e-2)


LOWEST = torch.finfo(torch.float32).min  # what models add to logits that they mask


@pytest.mark.parametrize(
    ("name", "nothing"),
    [*((n, -torch.inf) for n in CASES), ("adaptive_kl", LOWEST), ("jensen_shannon", LOWEST)],
)
def test_events_that_both_rule_out(name, nothing, monkeypatch):
    """Two models with the same padded vocabulary."""
    monkeypatch.setattr(launch, "BLOCK", 8)
    z_p, z_q = draw(5, 13)
    z_p[:, 2:7] = z_q[:, 2:7] = nothing
    value, gradient = kernels(CASES[name], z_p, z_q)
    kept = [i for i in range(13) if not 2 <= i < 7]
    true_value, true_gradient = dense(CASES[name], z_p[:, kept], z_q[:, kept])
    compare((value, gradient[:, kept]), (true_value, true_gradient))
    assert (gradient[:, 2:7] == 0).all()


@every_case
def test_events_that_the_target_rules_out(name, monkeypatch):
    """A target over part of the vocabulary has logits of -inf, and 0 * inf must be 0."""
    monkeypatch.setattr(launch, "BLOCK", 8)
    z_p, z_q = draw(5, 13)
    z_p[:, 2:7] = -torch.inf
    (value, gradient), (true_value, true_gradient) = (
        f(CASES[name], z_p, z_q) for f in (kernels, dense)
    )
    torch.testing.assert_close(value.double(), true_value, rtol=1e-5, atol=1e-6)
    finite = (
        value.isfinite()
    )  # where a value is infinite, so is a gradient, and differences are NaN
    assert finite.any() or name in ("reverse_kl", "adaptive_kl")
    torch.testing.assert_close(
        gradient[finite].double(), true_gradient[finite], rtol=1e-4, atol=1e-5
    )


def test_what_the_target_rules_out_and_the_student_says_is_infinite():
    z_p, z_q = draw(3, 6)
    z_p[:, 2] = -torch.inf
    for divergence in (ours.reverse_kl, ours.adaptive_kl):
        assert kernels(divergence, z_p, z_q)[0].isposinf().all()


@every_case
def test_the_same_distribution_is_at_no_distance(name):
    z, _ = draw(5, 50, spread=3.0)
    value, gradient = kernels(CASES[name], z, z)
    assert value.abs().max() < 1e-6 and gradient.abs().max() < 1e-6


def test_shapes_strides_and_modes():
    """Sequences of a batch, a slice of a wider tensor, nothing at all, a second backward pass."""
    z_p, z_q = draw(4, 22)
    expected = dense(ours.reverse_kl, z_p[:, ::2], z_q[:, 1::2])
    compare(kernels(ours.reverse_kl, z_p[:, ::2], z_q[:, 1::2]), expected)
    wide = dense(ours.reverse_kl, z_p[:, 5:16], z_q[:, 3:14])
    compare(kernels(ours.reverse_kl, z_p[:, 5:16], z_q[:, 3:14]), wide)

    leaf = z_q.view(2, 2, 22).clone().requires_grad_()
    weight = torch.tensor([[0.1], [0.5]])
    cube = ours.jensen_shannon(log_probs(z_p.view(2, 2, 22)), log_probs(leaf), beta=weight)
    flat = ours.jensen_shannon(log_probs(z_p), log_probs(z_q), beta=weight.expand(2, 2).flatten())
    torch.testing.assert_close(cube, flat.view(2, 2))
    (once,) = torch.autograd.grad(cube.sum(), leaf, retain_graph=True)
    (twice,) = torch.autograd.grad(2 * cube.sum(), leaf)
    torch.testing.assert_close(2 * once, twice)

    none = torch.empty(0, 22, requires_grad=True)
    value = ours.forward_kl(log_probs(z_p[:0]), log_probs(none))
    assert value.shape == (0,)
    assert torch.autograd.grad(value.sum(), none)[0].shape == (0, 22)


def test_a_target_that_is_already_normalised():
    """Cached log-probabilities have no temperature left to apply."""
    z_p, z_q = draw(3, 40)
    log_p = (z_p / 2).log_softmax(-1)
    results = []
    for make in (log_probs, lambda z, t: (z / t).log_softmax(-1)):
        leaf = z_q.clone().requires_grad_()
        value = ours.skew_kl(log_p, make(leaf, 2.0), alpha=0.1)
        results.append((value.detach(), *torch.autograd.grad(value.sum(), leaf)))
    torch.testing.assert_close(results[0], results[1])


def test_logits_that_were_overwritten_are_noticed():
    """The gradient is written in backward, from the logits; other numbers must not get into it."""
    z_p, z_q = draw(3, 40)
    value = ours.forward_kl(log_probs(z_p), log_probs(z_q.requires_grad_()))
    z_p.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()


def test_what_the_kernels_leave_to_the_eager_form():
    """Float64 keeps its digits; limits of alpha-beta have other formulas."""
    z_p, z_q = draw(3, 40)
    expected, _ = dense(ours.forward_kl, z_p, z_q)
    leaf = z_q.double().requires_grad_()
    value = ours.forward_kl(log_probs(z_p.double()), log_probs(leaf))
    torch.testing.assert_close(value.detach(), expected, rtol=1e-12, atol=0)
    limit = partial(ours.alpha_beta, alpha=0.5, beta=-0.5)
    value, _ = kernels(limit, z_p, z_q)
    torch.testing.assert_close(value.double(), dense(limit, z_p, z_q)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["jensen_shannon", "reverse_kl", "adaptive_kl"])
@pytest.mark.parametrize("native", [False, True])
def test_the_fused_loss_is_the_same(name, native, monkeypatch):
    """Chunks share memory, heads cap their logits, and weights drop rows."""
    g = torch.Generator().manual_seed(1)
    dtype = torch.bfloat16 if native else torch.float32
    t_hidden, t_weight, s_hidden, s_weight = (
        torch.randn(shape, generator=g).to(dtype) for shape in [(7, 6), (50, 6), (7, 4), (50, 4)]
    )
    weight = torch.tensor([1.0, 0, 2, 0.5, 1, 0, 3])
    results = []
    for form in ("triton", "eager"):
        monkeypatch.setenv("LIMBECK_KERNELS", form)
        leaves = [t.clone().requires_grad_() for t in (s_hidden, s_weight)]
        loss = linear_divergence(
            t_hidden,
            Head(t_weight, softcap=5.0),
            leaves[0],
            Head(leaves[1], scale=0.5),
            CASES[name],
            weight=weight,
            temperature=2.0,
            chunk_bytes=2 * 2 * 50 * 4,
            native=native,
        )
        results.append((loss.detach(), *torch.autograd.grad(loss, leaves)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-2 if native else 1e-5, atol=1e-5)
