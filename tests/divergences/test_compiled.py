"""Which form of the row kernels runs, and that the compiled one computes the same."""

import logging
import shutil
from functools import partial

import pytest
import torch

from limbeck import divergences as ours
from limbeck.divergences import choice, compiled, linear_divergence, log_probs, row_kernels

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
PER_ROW = torch.tensor([0.1, 0.5, 0.9])


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing is set, and nothing remembered from another test's machine."""
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    for cached in (choice._default, choice._obstacle):
        cached.cache_clear()
    yield
    for cached in (choice._default, choice._obstacle):
        cached.cache_clear()


def without_triton(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(choice.importlib, "import_module", missing)


def test_a_cpu_is_eager():
    """Blocks fit into its cache; a compiler would cost half a minute for nothing."""
    assert row_kernels(CPU) == "eager"


def test_another_accelerator_is_compiled():
    assert row_kernels(torch.device("mps")) == "compiled"


def test_cuda_with_triton(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert row_kernels(CUDA) == "triton"


@pytest.mark.parametrize("missing", ["package", "hardware"])
def test_cuda_without_triton_says_so_once(missing, monkeypatch, caplog):
    """A loss three times slower than documented should not be a riddle, nor a line per chunk."""
    if missing == "package":
        without_triton(monkeypatch)
    else:
        pytest.importorskip("triton")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "an old card")
    with caplog.at_level(logging.WARNING):
        assert [row_kernels(CUDA) for _ in range(3)] == ["compiled"] * 3
    assert len(caplog.records) == 1
    assert ("imported" if missing == "package" else "an old card") in caplog.text


@pytest.mark.parametrize("form", ["compiled", "eager"])
def test_what_is_asked_for(form, monkeypatch):
    monkeypatch.setenv("LIMBECK_KERNELS", form)
    assert row_kernels(CPU) == row_kernels(CUDA) == form


def test_an_unknown_form(monkeypatch):
    """A typing error would otherwise be measured as if it were what was asked for."""
    monkeypatch.setenv("LIMBECK_KERNELS", "tritno")
    with pytest.raises(ValueError, match=r"LIMBECK_KERNELS=tritno.*triton, compiled or eager"):
        row_kernels(CPU)


def test_triton_where_there_is_none(monkeypatch):
    monkeypatch.setenv("LIMBECK_KERNELS", "triton")
    with pytest.raises(ValueError, match=r"LIMBECK_KERNELS=triton, but .*compiled or eager"):
        row_kernels(CPU)
    without_triton(monkeypatch)
    choice._obstacle.cache_clear()
    with pytest.raises(ValueError, match="cannot be imported"):
        row_kernels(CUDA)


# --- torch.compile -------------------------------------------------------------------------------

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
CASES = {
    "jensen_shannon by row": partial(ours.jensen_shannon, beta=PER_ROW),
    "skew_reverse_kl": partial(ours.skew_reverse_kl, alpha=0.1),
    "forward_kl": ours.forward_kl,
    "adaptive_kl": ours.adaptive_kl,
}
slow = pytest.mark.slow
MORE = {
    "reverse_kl": ours.reverse_kl,
    "jensen_shannon": partial(ours.jensen_shannon, beta=0.3),
    "skew_kl": partial(ours.skew_kl, alpha=0.1),
    "skew_kl by row": partial(ours.skew_kl, alpha=PER_ROW),
    "skew_reverse_kl detached": partial(ours.skew_reverse_kl, alpha=0.1, detach_mixture=True),
    "total_variation": ours.total_variation,
    "alpha_beta": partial(ours.alpha_beta, alpha=0.2, beta=0.7),
}


def draw(n, v, dtype=torch.float32):
    g = torch.Generator().manual_seed(0)
    return [2 * torch.randn(n, v, generator=g, dtype=torch.float64).to(dtype) for _ in "pq"]


def both(divergence, z_p, z_q, temperature, monkeypatch):
    results = []
    for form in ("compiled", "eager"):
        monkeypatch.setenv("LIMBECK_KERNELS", form)
        leaf = z_q.clone().requires_grad_()
        value = divergence(log_probs(z_p, temperature), log_probs(leaf, temperature))
        coefficient = torch.arange(1, len(z_q) + 1)
        results.append((value.detach(), *torch.autograd.grad((coefficient * value).sum(), leaf)))
    return results


@needs_compiler
@pytest.mark.parametrize(
    "divergence",
    [*CASES.values(), *(pytest.param(d, marks=slow) for d in MORE.values())],
    ids=[*CASES, *MORE],
)
def test_equals_the_eager_form(divergence, monkeypatch):
    """Where Triton is missing, a student would be trained towards something else."""
    for temperature in (1.0, 2.0):
        found, expected = both(divergence, *draw(3, 301), temperature, monkeypatch)
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-6)


@needs_compiler
def test_what_the_target_rules_out(monkeypatch):
    """The compiled form meets 0 * inf as the eager one does, and hands over as well."""
    z_p, z_q = draw(3, 301)
    z_p[:, 2:4] = -torch.inf
    found, expected = both(ours.forward_kl, z_p, z_q, 1.0, monkeypatch)
    torch.testing.assert_close(found, expected)
    assert found[0].isfinite().all()


@needs_compiler
def test_nothing_is_compiled_anew(monkeypatch):
    """Chunks differ in size and schedules move parameters; compiling takes longer than a step."""
    monkeypatch.setenv("LIMBECK_KERNELS", "compiled")
    z_p, z_q = draw(20, 301)

    def evaluate(rows, alpha):
        return ours.skew_reverse_kl(log_probs(z_p[:rows]), log_probs(z_q[:rows]), alpha=alpha)

    torch._dynamo.reset()
    evaluate(20, 0.1)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for rows, alpha in ((19, 0.1), (7, 0.2), (2, 0.3)):
            value = evaluate(rows, alpha)
            monkeypatch.setenv("LIMBECK_KERNELS", "eager")
            torch.testing.assert_close(value, evaluate(rows, alpha), rtol=2e-5, atol=1e-6)
            monkeypatch.setenv("LIMBECK_KERNELS", "compiled")
        # Another divergence is not another version of this one: of those there may be eight.
        ours.forward_kl(log_probs(z_p), log_probs(z_q))


@needs_compiler
def test_the_fused_loss_is_the_same(monkeypatch):
    g = torch.Generator().manual_seed(1)
    t_hidden, t_weight, s_hidden, s_weight = (
        torch.randn(shape, generator=g) for shape in [(7, 6), (50, 6), (7, 4), (50, 4)]
    )
    results = []
    for form in ("compiled", "eager"):
        monkeypatch.setenv("LIMBECK_KERNELS", form)
        leaves = [t.clone().requires_grad_() for t in (s_hidden, s_weight)]
        loss = linear_divergence(
            t_hidden, t_weight, *leaves, ours.forward_kl, temperature=2.0, chunk_bytes=1600
        )
        results.append((loss.detach(), *torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)


def test_the_adaptive_divergence_is_not_compiled():
    """Its bisection asks the host for a number, which a whole graph cannot."""
    assert not compiled.can(compiled.rows.adaptive_kl)
    assert compiled.can(compiled.rows.forward_kl)
