"""Divergences against their definitions, their identities and the published implementation."""

from dataclasses import dataclass, field
from functools import partial
from math import exp, inf, log

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import tensor

from limbeck import divergences as ours

from . import reference

AB_PAIRS = [
    (1.0, 0.5),
    (0.5, 0.5),
    (0.2, 0.7),
    (1.0, 1.0),
    (2.0, 0.5),
    (-0.5, 1.2),
    (1.5, -0.4),
    (-1.0, 0.3),
]


@dataclass(frozen=True)
class Case:
    """One divergence with its parameters, and the same in loops."""

    name: str
    params: dict = field(default_factory=dict)

    @property
    def function(self):
        return partial(getattr(ours, self.name), **self.params)

    @property
    def definition(self):
        params = {k: v for k, v in self.params.items() if k != "detach_mixture"}
        return partial(getattr(reference, self.name), **params)

    @property
    def derivative(self):
        return partial(getattr(reference, "d_" + self.name), **self.params)

    def __str__(self):
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


def _cases(name, key, *values):
    return [Case(name, {key: v}) for v in values]


CASES = [
    Case("forward_kl"),
    Case("reverse_kl"),
    Case("total_variation"),
    *_cases("jensen_shannon", "beta", 0.05, 0.1, 0.5, 0.9),
    *_cases("skew_kl", "alpha", 0.0, 0.1, 0.5, 0.95),
    *_cases("skew_reverse_kl", "alpha", 0.0, 0.1, 0.5, 0.95),
    Case("skew_reverse_kl", {"alpha": 0.3, "detach_mixture": True}),
    *_cases("adaptive_kl", "mu", 0.2, 0.5, 0.9),
    *[Case("alpha_beta", {"alpha": a, "beta": b}) for a, b in AB_PAIRS],
]
AB_LIMITS = [
    Case("alpha_beta", {"alpha": a, "beta": b})
    for a, b in [
        (1.0, 0.0),
        (0.0, 1.0),
        (0.7, 0.0),
        (0.0, 0.7),
        (0.6, -0.6),
        (-0.6, 0.6),
        (0.0, 0.0),
    ]
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
# The weight of adaptive_kl and a detached mixture are constants to the gradient but not to the
# value, so finite differences of the value are no check of them; the closed forms below are.
every_smooth_case = pytest.mark.parametrize(
    "case",
    [
        c
        for c in CASES + AB_LIMITS
        if c.name != "adaptive_kl" and not c.params.get("detach_mixture")
    ],
    ids=str,
)


@st.composite
def logit_pairs(draw, low=-8.0, high=8.0, events=(2, 7)):
    """Logits of target and student at 1 to 3 positions, float64."""
    n, v = draw(st.integers(1, 3)), draw(st.integers(*events))
    numbers = st.lists(st.floats(low, high, width=32), min_size=n * v, max_size=n * v)
    return tuple(tensor(draw(numbers), dtype=torch.float64).view(n, v) for _ in range(2))


def random_pair(seed, shape=(4, 6), scale=2.0, dtype=torch.float64):
    """Log-probabilities of target and student."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    log_p, log_q = logits.log_softmax(-1).to(dtype)
    return log_p, log_q


def logit_gradient(function, log_p, logits):
    """Gradient of the sum of a divergence with respect to the student's logits."""
    logits = logits.detach().clone().requires_grad_()
    function(log_p, logits.log_softmax(-1)).sum().backward()
    return logits.grad


def by_row(function, log_p, log_q):
    rows = [function(p, q) for p, q in zip(log_p.tolist(), log_q.tolist(), strict=True)]
    return tensor(rows, dtype=torch.float64)


def close(actual, expected, rtol=1e-9, atol=1e-11):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def largest_term(case, log_p, log_q):
    """Exponents below 0 make terms as large as p^k; rounding errors are relative to them."""
    exponents = [case.params.get("alpha", 0), case.params.get("beta", 0)]
    if case.name != "alpha_beta":
        return 100.0
    lowest = min(log_p.min().item(), log_q.min().item())
    steepest = min(0.0, sum(e for e in exponents if e < 0), sum(exponents))
    share = max(1.0, *(1 / abs(e) for e in (*exponents, sum(exponents)) if e), 1.0)
    return 100.0 * share**2 * exp(steepest * lowest)


# --- values --------------------------------------------------------------------------------------


@every_case
@given(logits=logit_pairs())
def test_value_is_the_definition(case, logits):
    """A loss under a paper's name would be another function than the paper's."""
    log_p, log_q = (x.log_softmax(-1) for x in logits)
    expected = by_row(case.definition, log_p, log_q)
    rounding = 1e-14 * largest_term(case, log_p, log_q)
    close(case.function(log_p, log_q), expected, rtol=1e-9, atol=rounding)


@every_case
@given(logits=logit_pairs())
def test_gradient_is_the_closed_form(case, logits):
    """Training would follow another slope than the loss it reports."""
    log_p, z = logits[0].log_softmax(-1), logits[1]
    # At a tie of p and q the total variation has a kink, and a rounding error chooses the side.
    assume(case.name != "total_variation" or (log_p - z.log_softmax(-1)).abs().min() > 1e-9)
    expected = by_row(case.derivative, log_p, z.log_softmax(-1))
    rounding = 1e-14 * largest_term(case, log_p, z.log_softmax(-1))
    close(logit_gradient(case.function, log_p, z), expected, rtol=1e-9, atol=rounding)


@every_case
def test_leading_axes_are_kept(case):
    log_p, log_q = random_pair(3, shape=(2, 3, 5))
    flat = case.function(log_p.view(6, 5), log_q.view(6, 5))
    close(case.function(log_p, log_q), flat.view(2, 3))
    close(case.function(log_p[0, 0], log_q[0, 0]), flat[0])
    assert case.function(log_p[:0], log_q[:0]).shape == (0, 3)


@every_case
def test_float32_agrees_with_float64(case):
    log_p, log_q = random_pair(4, shape=(16, 40))
    single = case.function(log_p.float(), log_q.float())
    assert single.dtype == torch.float32
    close(single.double(), case.function(log_p, log_q), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", CASES + AB_LIMITS, ids=str)
@given(logits=logit_pairs())
def test_never_negative_and_zero_only_where_equal(case, logits):
    log_p, log_q = (x.log_softmax(-1) for x in logits)
    value = case.function(log_p, log_q)
    assert (value >= -1e-14 * largest_term(case, log_p, log_q)).all()
    apart = (log_p.exp() - log_q.exp()).abs().amax(-1) > 0.01
    assert (value[apart] > 0).all()


@pytest.mark.parametrize("case", CASES + AB_LIMITS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_student_stands_still(case, dtype):
    """A student that equals its teacher would be pulled away from it."""
    tiny = {torch.float32: 1e-6, torch.float64: 1e-14}[dtype]
    logits = random_pair(5, shape=(8, 12), dtype=dtype)[0].clone()
    log_p = logits.log_softmax(-1)
    if case.name != "total_variation":  # its gradient is a sign, even of a rounding error
        logits += torch.arange(8, dtype=dtype)[:, None] / 8  # the same softmax
    scale = largest_term(case, log_p, log_p)
    value = case.function(log_p, logits.log_softmax(-1))
    close(value, torch.zeros_like(value), rtol=0, atol=10 * tiny * scale)
    gradient = logit_gradient(case.function, log_p, logits)
    close(gradient, torch.zeros_like(gradient), rtol=0, atol=10 * tiny * scale)


@pytest.mark.parametrize("case", CASES + AB_LIMITS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_log_probabilities_give_exactly_no_slope_beyond_rounding(case, dtype):
    log_p, _ = random_pair(6, shape=(3, 9), dtype=dtype)
    log_q = log_p.clone().requires_grad_()
    value = case.function(log_p, log_q)
    (slope,) = torch.autograd.grad(value.sum(), log_q)
    # Behind a softmax a slope proportional to q vanishes; nothing else may remain.
    rest = slope - log_p.exp() * slope.sum(-1, keepdim=True)
    eps = torch.finfo(dtype).eps
    assert rest.abs().max() <= 100 * eps * max(1.0, slope.abs().max().item())


# --- identities (reference, section 0.3) ---------------------------------------------------------


def same(first, second, seed=7, rtol=1e-10, gradient_rtol=1e-9):
    """Two functions of (log_p, log_q) with the same value and the same gradient."""
    log_p, log_q = random_pair(seed)
    close(first(log_p, log_q), second(log_p, log_q), rtol=rtol, atol=rtol)
    gradients = [logit_gradient(f, log_p, log_q) for f in (first, second)]
    close(*gradients, rtol=gradient_rtol, atol=gradient_rtol)


def test_skew_kl_without_skew_is_forward_kl():
    same(partial(ours.skew_kl, alpha=0.0), ours.forward_kl)


def test_skew_reverse_kl_without_skew_is_reverse_kl():
    same(partial(ours.skew_reverse_kl, alpha=0.0), ours.reverse_kl)


def test_parameters_are_checked_as_they_are_not_as_float32():
    """A schedule on its way to 1 would be refused, because 1 - 1e-9 is 1 in float32."""
    log_p, log_q = random_pair(8)
    value = ours.skew_kl(log_p, log_q, alpha=1 - 1e-9)
    close(value, torch.zeros_like(value), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["skew_kl", "skew_reverse_kl"])
def test_full_skew_is_nothing(name):
    log_p, log_q = random_pair(8)
    value = getattr(ours, name)(log_p, log_q, alpha=1 - 1e-7)
    close(value, torch.zeros_like(value), rtol=0, atol=1e-5)


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_jensen_shannon_is_two_skew_divergences(beta):
    """beta would weigh the student where the paper weighs the teacher, as in four repositories."""

    def two(log_p, log_q):
        skew = beta * ours.skew_kl(log_p, log_q, alpha=beta)
        return skew + (1 - beta) * ours.skew_reverse_kl(log_p, log_q, alpha=1 - beta)

    same(partial(ours.jensen_shannon, beta=beta), two)


def test_jensen_shannon_tends_to_the_two_kls():
    tiny = 1e-7
    same(
        lambda p, q: ours.jensen_shannon(p, q, beta=tiny) / tiny,
        ours.forward_kl,
        rtol=1e-4,
        gradient_rtol=1e-4,
    )
    same(
        lambda p, q: ours.jensen_shannon(p, q, beta=1 - tiny) / tiny,
        ours.reverse_kl,
        rtol=1e-4,
        gradient_rtol=1e-4,
    )


def test_jensen_shannon_is_symmetric_only_at_one_half():
    log_p, log_q = random_pair(9)
    half = partial(ours.jensen_shannon, beta=0.5)
    close(half(log_p, log_q), half(log_q, log_p))
    mirrored = ours.jensen_shannon(log_q, log_p, beta=0.8)
    close(ours.jensen_shannon(log_p, log_q, beta=0.2), mirrored)
    assert (mirrored - ours.jensen_shannon(log_p, log_q, beta=0.8)).abs().min() > 1e-4


@given(logits=logit_pairs(-60, 60), alpha=st.floats(0.01, 0.99))
def test_bounds(logits, alpha):
    log_p, log_q = (x.log_softmax(-1) for x in logits)
    entropy = -alpha * log(alpha) - (1 - alpha) * log(1 - alpha)
    assert (ours.skew_kl(log_p, log_q, alpha=alpha) <= -log(alpha) + 1e-12).all()
    assert (ours.skew_reverse_kl(log_p, log_q, alpha=alpha) <= -log(alpha) + 1e-12).all()
    assert (ours.jensen_shannon(log_p, log_q, beta=alpha) <= entropy + 1e-12).all()
    assert (ours.total_variation(log_p, log_q) <= 1 + 1e-12).all()


def test_detaching_the_mixture_changes_the_gradient_only():
    """The flag that reproduces DistiLLM-2's released code would do nothing, or change the loss."""
    log_p, log_q = random_pair(10)
    whole, detached = (
        partial(ours.skew_reverse_kl, alpha=0.4, detach_mixture=d) for d in (False, True)
    )
    close(whole(log_p, log_q), detached(log_p, log_q), rtol=0, atol=0)
    z = log_q.clone().requires_grad_()
    q = z.softmax(-1)
    mixture = (0.4 * q + 0.6 * log_p.exp()).detach()
    (q * (q.log() - mixture.log())).sum().backward()
    close(logit_gradient(detached, log_p, log_q), z.grad)
    assert (logit_gradient(whole, log_p, log_q) - z.grad).abs().max() > 1e-3
    zero = [
        logit_gradient(partial(ours.skew_reverse_kl, alpha=0.0, detach_mixture=d), log_p, log_q)
        for d in (False, True)
    ]
    close(*zero)


def test_adaptive_kl_gives_no_gradient_to_its_weight():
    log_p, log_q = random_pair(11)
    z = log_q.clone().requires_grad_()
    lq = z.log_softmax(-1)
    w = by_row(partial(reference.adaptive_weight, mu=0.5), log_p, log_q)
    forward = (log_p.exp() * (log_p - lq)).sum(-1)
    reverse = (lq.exp() * (lq - log_p)).sum(-1)
    (w * forward + (1 - w) * reverse).sum().backward()
    close(logit_gradient(partial(ours.adaptive_kl, mu=0.5), log_p, log_q), z.grad)


def test_adaptive_kl_finds_the_head_by_probability_not_by_token_id():
    """TAID's version applies the head mask in the wrong order and is nearly pure reverse KL."""
    log_p = tensor([[0.05, 0.15, 0.8]], dtype=torch.float64).log()
    log_q = tensor([[0.05, 0.65, 0.3]], dtype=torch.float64).log()
    forward, reverse = ours.forward_kl(log_p, log_q), ours.reverse_kl(log_p, log_q)
    # Gaps 0, .5, .5: the head is the last event alone (the first of it always counts).
    close(ours.adaptive_kl(log_p, log_q, mu=0.5), 0.5 * forward + 0.5 * reverse)
    # With mu 0.97 the second joins it, and only the event without a gap is left outside.
    close(ours.adaptive_kl(log_p, log_q, mu=0.97), forward)


# --- the alpha-beta family -----------------------------------------------------------------------


def _hellinger(log_p, log_q):
    return 2 * ((log_p / 2).exp() - (log_q / 2).exp()).square().sum(-1)


def _squares(log_p, log_q):
    return 0.5 * (log_p.exp() - log_q.exp()).square().sum(-1)


@pytest.mark.parametrize(
    ("alpha", "beta", "known"),
    [
        (1.0, 0.0, ours.forward_kl),
        (0.0, 1.0, ours.reverse_kl),
        (0.5, 0.5, _hellinger),
        (1.0, 1.0, _squares),
        (0.0, 0.0, lambda p, q: 0.5 * (p - q).square().sum(-1)),
    ],
)
def test_alpha_beta_special_values(alpha, beta, known):
    same(partial(ours.alpha_beta, alpha=alpha, beta=beta), known)


LIMITS = {
    "alpha to 0": ((0.0, 0.7), (1.0, 0.0)),
    "alpha to 0, beta above 1": ((0.0, 1.6), (1.0, 0.0)),
    "beta to 0": ((0.7, 0.0), (0.0, 1.0)),
    "beta to 0, alpha above 1": ((1.6, 0.0), (0.0, 1.0)),
    "sum to 0": ((0.6, -0.6), (0.0, 1.0)),
    "sum to 0, alpha negative": ((-0.6, 0.6), (1.0, 0.0)),
    "both to 0 along a diagonal": ((0.0, 0.0), (1.0, 1.0)),
    "both to 0 along alpha": ((0.0, 0.0), (1.0, 0.0)),
    "both to 0 along beta": ((0.0, 0.0), (0.0, 1.0)),
    "both to 0 with sum 0": ((0.0, 0.0), (1.0, -1.0)),
    "both to 0 obliquely": ((0.0, 0.0), (2.0, -0.5)),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_alpha_beta_is_continuous_at_its_limits(limit, sign):
    """A schedule that passes a limit would jump: the released code is off by a factor alpha."""
    (a, b), (da, db) = LIMITS[limit]
    log_p, log_q = random_pair(12, scale=1.0)
    at = partial(ours.alpha_beta, alpha=a, beta=b)
    for h, tolerance in ((1e-2, 0.1), (1e-3, 0.01), (1e-4, 1e-3)):
        near = partial(ours.alpha_beta, alpha=a + sign * h * da, beta=b + sign * h * db)
        close(near(log_p, log_q), at(log_p, log_q), rtol=tolerance, atol=tolerance)
        gradients = [logit_gradient(f, log_p, log_q) for f in (near, at)]
        close(*gradients, rtol=tolerance, atol=2 * tolerance)


def test_alpha_beta_scales_with_alpha():
    """alpha-beta is (alpha -> c alpha) of tempered, unnormalised masses: p**c, q**c over c**2."""
    log_p, log_q = random_pair(13)
    for a, b, c in [(1.0, 0.5, 0.6), (0.4, 0.0, 2.0), (0.0, 0.4, 2.0), (0.5, -0.5, 0.8)]:
        scaled = ours.alpha_beta(c * log_p, c * log_q, alpha=a, beta=b) / c**2
        close(ours.alpha_beta(log_p, log_q, alpha=c * a, beta=c * b), scaled)


# --- gradients -----------------------------------------------------------------------------------


@every_smooth_case
def test_gradcheck_through_log_softmax(case):
    log_p, log_q = random_pair(14, shape=(3, 5), scale=1.0)
    z = log_q.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: case.function(log_p, z.log_softmax(-1)), (z,))


@every_smooth_case
def test_gradcheck_on_unconstrained_log_q(case):
    """A user who normalises by other means (a tail bucket, a mask) would get a wrong gradient."""
    log_p, log_q = random_pair(15, shape=(3, 5), scale=1.0)
    free = (log_q + 0.3 * torch.randn_like(log_q)).requires_grad_()
    assert torch.autograd.gradcheck(partial(case.function, log_p), (free,))


@every_case
def test_gradient_is_scaled_by_what_follows(case):
    log_p, log_q = random_pair(16)
    factor = tensor([3.0, 0.0, -1.0, 0.5], dtype=torch.float64)
    weighted = logit_gradient(lambda p, q: factor * case.function(p, q), log_p, log_q)
    close(weighted, factor[:, None] * logit_gradient(case.function, log_p, log_q))


@every_case
def test_target_with_gradient_is_refused(case):
    """A teacher would be trained towards its student without anyone noticing."""
    log_p, log_q = random_pair(17)
    with pytest.raises(ValueError, match="log_p"):
        case.function(log_p.requires_grad_(), log_q)


@every_case
def test_no_gradient_where_none_is_asked(case):
    log_p, log_q = random_pair(18)
    assert not case.function(log_p, log_q).requires_grad


# --- parameters per position ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [("jensen_shannon", "beta"), ("skew_kl", "alpha"), ("skew_reverse_kl", "alpha")],
)
def test_a_parameter_for_each_position(name, key):
    """A curriculum over alpha would use one sequence's value for another."""
    values = [0.1, 0.35, 0.6, 0.9]
    log_p, log_q = random_pair(19)
    function = getattr(ours, name)
    parameter = tensor(values, dtype=torch.float64)
    together = partial(function, **{key: parameter})
    one_by_one = [partial(function, **{key: v}) for v in values]
    rows = [f(p, q) for f, p, q in zip(one_by_one, log_p, log_q, strict=True)]
    close(together(log_p, log_q), torch.stack(rows))
    gradients = [logit_gradient(f, p, q) for f, p, q in zip(one_by_one, log_p, log_q, strict=True)]
    close(logit_gradient(together, log_p, log_q), torch.stack(gradients))
    broadcast = partial(function, **{key: parameter[:, None]})
    wide_p, wide_q = log_p[:, None].expand(4, 3, 6), log_q[:, None].expand(4, 3, 6)
    close(broadcast(wide_p, wide_q), torch.stack(rows)[:, None].expand(4, 3))


@pytest.mark.parametrize(
    ("name", "key", "zero_is_legal"),
    [
        ("jensen_shannon", "beta", False),
        ("skew_kl", "alpha", True),
        ("skew_reverse_kl", "alpha", True),
        ("adaptive_kl", "mu", False),
    ],
)
def test_parameters_out_of_range_are_refused(name, key, zero_is_legal):
    """beta = 1 in a Jensen-Shannon divergence trains nothing at all, and used to do so silently."""
    log_p, log_q = random_pair(20)
    bad = [-0.1, 1.0, 1.1, inf, float("nan")] + ([] if zero_is_legal else [0.0])
    for value in bad:
        with pytest.raises(ValueError, match=key):
            getattr(ours, name)(log_p, log_q, **{key: value})
    if name != "adaptive_kl":
        with pytest.raises(ValueError, match=key):
            getattr(ours, name)(log_p, log_q, **{key: tensor([0.5, 0.5, 0.5, 1.5])})


# --- masked and extreme distributions ------------------------------------------------------------

MASK_IS_FINITE = [
    c
    for c in CASES
    if c.name not in ("reverse_kl", "adaptive_kl")
    and not (c.name == "skew_reverse_kl" and c.params["alpha"] == 0)
    and not (c.name == "alpha_beta" and (c.params["alpha"] < 0 or sum(c.params.values()) < 0))
] + [Case("alpha_beta", {"alpha": 1.0, "beta": 0.0}), Case("alpha_beta", {"alpha": 0.7, "beta": 0})]


@pytest.mark.parametrize("case", MASK_IS_FINITE, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_events_ruled_out_by_the_target_stay_finite(case, dtype):
    """One masked token in the teacher would turn the whole training into NaN."""
    _, log_q = random_pair(21, shape=(3, 6), dtype=dtype)
    logits = random_pair(22, shape=(3, 6), dtype=dtype)[0].clone()
    logits[0, 2] = logits[1, :4] = logits[2, 1:] = -inf
    log_p = logits.log_softmax(-1)
    value, gradient = case.function(log_p, log_q), logit_gradient(case.function, log_p, log_q)
    assert value.isfinite().all() and gradient.isfinite().all()
    if min(case.params.values(), default=1.0) >= 0 and case.name != "alpha_beta":
        expected = by_row(case.definition, log_p.double(), log_q.double())
        close(value.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", MASK_IS_FINITE, ids=str)
def test_events_ruled_out_by_both_sides_do_not_exist(case):
    """Padding a vocabulary would change the loss."""
    log_p, log_q = random_pair(23, shape=(3, 5))
    wide = torch.full((3, 7), -inf, dtype=torch.float64)
    wide_p, wide_q = wide.clone(), wide.clone()
    wide_p[:, 1:6], wide_q[:, 1:6] = log_p, log_q
    if case.name == "alpha_beta" and min(case.params.values()) <= 0:
        pytest.skip("a power of 0 below or at 0: the student's own -inf is not promised here")
    close(case.function(wide_p, wide_q), case.function(log_p, log_q))


@pytest.mark.parametrize(
    "case", [Case("reverse_kl"), Case("skew_reverse_kl", {"alpha": 0.0})], ids=str
)
def test_reverse_kl_says_infinite_where_it_is(case):
    log_p, log_q = random_pair(24)
    log_p = log_p.masked_fill(torch.arange(6) == 2, -inf).log_softmax(-1)
    assert (case.function(log_p, log_q) == inf).all()
    agreed = log_q.masked_fill(torch.arange(6) == 2, -inf).log_softmax(-1)
    assert case.function(log_p, agreed).isfinite().all()
    assert logit_gradient(case.function, log_p, agreed).isfinite().all()


def test_adaptive_kl_says_infinite_where_its_reverse_part_is():
    log_p, log_q = random_pair(25)
    masked = log_p.masked_fill(torch.arange(6) == 2, -inf).log_softmax(-1)
    assert (ours.adaptive_kl(masked, log_q, mu=0.5) == inf).all()


def test_adaptive_kl_is_never_undefined():
    """NaN hides which of the two models is to blame; infinity tells."""
    # The head is wrong by far more than a float32 can add the tail's 1e-30 to.
    p = tensor([[0.5, 0.3, 0.2, 0.0]])
    q = tensor([[0.3, 0.5, 0.2, 1e-30]])
    assert (ours.adaptive_kl(p.log(), q.log(), mu=0.9) == inf).all()


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.name != "alpha_beta" or min(c.params.values()) >= 0] + AB_LIMITS[:4],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(case, dtype):
    """A confident, wrong student is the normal start of training, not an accident."""
    big = 1e4
    rows = [[big, -big, 0.0], [-big, big, 0.0], [0.0, 0.0, 0.0], [big, big, -big], [1.0, -big, big]]
    for p in rows:
        for q in rows:
            log_p = tensor([p], dtype=dtype).log_softmax(-1)
            z = tensor([q], dtype=dtype)
            assert case.function(log_p, z.log_softmax(-1)).isfinite().all()
            assert logit_gradient(case.function, log_p, z).isfinite().all()


# --- the published implementation ----------------------------------------------------------------


@pytest.fixture(scope="module")
def trl_loss():
    import os

    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    return pytest.importorskip("trl.experimental.gkd").GKDTrainer.generalized_jsd_loss


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_equals_trl(trl_loss, beta, temperature):
    """A GKD recipe moved here from TRL would train something else."""
    generator = torch.Generator().manual_seed(26)
    teacher, student = 3 * torch.randn(2, 2, 5, 11, generator=generator, dtype=torch.float64)
    theirs = student.clone().requires_grad_()
    kinds = {0.0: ours.forward_kl, 1.0: ours.reverse_kl}
    function = kinds.get(beta, partial(ours.jensen_shannon, beta=beta))
    expected = trl_loss(theirs, teacher, beta=beta, temperature=temperature, reduction="sum")
    expected.backward()
    mine = student.clone().requires_grad_()
    log_p, log_q = (teacher / temperature).log_softmax(-1), (mine / temperature).log_softmax(-1)
    value = function(log_p, log_q)
    value.sum().backward()
    close(value.sum(), expected, rtol=1e-12, atol=1e-12)
    close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    if beta not in kinds:
        mirrored = ours.jensen_shannon(log_p, log_q, beta=1 - beta).sum()
        assert beta == 0.5 or abs(mirrored - expected) > 1e-2
