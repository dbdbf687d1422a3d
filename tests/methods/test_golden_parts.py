"""Methods that weigh parts of a distribution: heads and tails, exponents, label and rest."""

import pytest
import torch

from limbeck.methods import ABKD, AKL, DKD, Step

from .texts import (
    LABEL,
    Z_P,
    Z_Q,
    N,
    V,
    by_autograd,
    check,
    d_reverse,
    forward,
    nll,
    reverse,
    run,
    softmax,
)

P, Q = softmax(Z_P), softmax(Z_Q)


def agrees(method, name, equation):
    """One term, with the value and the gradient of the equation."""
    terms, grad = run(method)
    value, expected = by_autograd(equation)
    assert list(terms) == [name]
    check(terms[name], value)
    check(grad, expected)


def head_share(p, q, mu):
    """g_head / (g_head + g_tail) of one token: sort, walk, gather."""
    order = sorted(range(len(p)), key=lambda v: -p[v])
    gap = {v: abs(p[v] - q[v]) for v in order}
    head, cumulative = order[:1], p[order[0]]
    for v in order[1:]:
        cumulative += p[v]
        if cumulative <= mu:
            head.append(v)
    return sum(gap[v] for v in head) / sum(gap.values())


@pytest.mark.parametrize("mu", [0.2, 0.5, 0.9])
def test_akl(mu):
    """TAID's port takes the highest token ids for the head, and lets gradient through w."""
    w = [head_share(p, q, mu) for p, q in zip(P.tolist(), Q.tolist(), strict=True)]
    w = torch.tensor(w, dtype=torch.float64)
    assert w.min() > 0 and w.max() < 1 and w.std() > 0.05
    terms, grad = run(AKL(mu=mu))
    check(terms["akl"], w * forward(P, Q) + (1 - w) * reverse(P, Q))
    check(grad, w[:, None] * (Q - P) + (1 - w[:, None]) * d_reverse(P, Q))


def alpha_beta(a, b):
    """Definition and limits, re-derived; equation 4 and appendix of the paper."""

    def equation(p, q):
        if a == b == 0:
            each = (q.log() - p.log()) ** 2 / 2
        elif a == 0:
            each = (q**b * (q / p).log() * b - q**b + p**b) / b**2
        elif b == 0:
            each = (p**a * (p / q).log() * a - p**a + q**a) / a**2
        elif a + b == 0:
            each = ((q / p).log() * a + (p / q) ** a - 1) / a**2
        else:
            s = a + b
            each = -(p**a * q**b - a / s * p**s - b / s * q**s) / (a * b)
        return each.sum(-1)

    return equation


LIMITS = [(1, 0), (0, 1), (0.6, 0), (0, 0.6), (0.5, -0.5), (-0.5, 0.5), (0, 0)]


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.7), (0.5, 0.5), (1, 1), (-0.3, 0.8), *LIMITS])
def test_abkd(a, b):
    """alpha is the teacher's exponent; the released code divides a limit by alpha, not its square."""
    equation = alpha_beta(a, b)
    agrees(ABKD(alpha=a, beta=b, ce=0.0), "ab", equation)
    terms, grad = run(ABKD(alpha=a, beta=b, lmbda=0.3, ce=0.4))
    value, expected = by_autograd(lambda p, q: 0.3 * equation(p, q) + 0.4 * nll(q))
    check(terms["nll"], 0.4 * nll(Q))
    check(terms["ab"] + terms["nll"], value)
    check(grad, expected)


@pytest.mark.parametrize(("a", "b"), LIMITS)
def test_the_limits_of_abkd_are_limits(a, b):
    """A closed form of a limit with a wrong factor agrees with itself."""
    near, _ = run(ABKD(alpha=a + 1e-5, beta=b + 2e-5, ce=0.0))
    check(near["ab"], alpha_beta(a, b)(P, Q), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("a", "b", "known"),
    [
        (1, 0, forward),
        (0, 1, reverse),
        (0.5, 0.5, lambda p, q: 2 * ((p.sqrt() - q.sqrt()) ** 2).sum(-1)),
        (1, 1, lambda p, q: 0.5 * ((p - q) ** 2).sum(-1)),
    ],
)
def test_points_of_abkd(a, b, known):
    check(run(ABKD(alpha=a, beta=b, ce=0.0))[0]["ab"], known(P, Q))


def decoupled(p, q, alpha, beta, label=LABEL):
    """TCKD and NCKD by their definitions, a token at a time."""
    out = []
    for pt, qt, y in zip(p, q, label.tolist(), strict=True):
        others = [v for v in range(V) if v != y]
        binary_p, binary_q = (torch.stack([x[y], x[others].sum()]) for x in (pt, qt))
        rest_p, rest_q = (x[others] / x[others].sum() for x in (pt, qt))
        out.append(alpha * forward(binary_p, binary_q) + beta * forward(rest_p, rest_q))
    return torch.stack(out)


@pytest.mark.parametrize(("alpha", "beta", "t"), [(1, 8, 4), (0.7, 0, 1), (0, 2, 1), (1, 0.5, 2)])
def test_dkd(alpha, beta, t):
    method = DKD(alpha=alpha, beta=beta, temperature=t, ce=0.3, lmbda=0.9)
    terms, grad = run(method)
    z = Z_Q.clone().requires_grad_()
    parts = 0.9 * t**2 * decoupled(softmax(Z_P, t), softmax(z, t), alpha, beta)
    (parts + 0.3 * nll(softmax(z))).sum().backward()
    check(terms["dkd"], parts.detach())
    check(terms["nll"], 0.3 * nll(Q))
    check(grad, z.grad)


def test_dkd_warms_up_over_a_twelfth():
    """20 of the paper's 240 epochs, in a straight line."""
    values = [
        run(DKD(ce=0.0), step=Step(i, 240))[0]["dkd"] / (16 * parts_of_dkd())
        for i in (0, 5, 10, 20, 21, 200)
    ]
    for value, expected in zip(values, (0, 0.25, 0.5, 1, 1, 1), strict=True):
        check(value, torch.full((N,), expected, dtype=torch.float64))


def parts_of_dkd():
    return decoupled(softmax(Z_P, 4), softmax(Z_Q, 4), 1, 8)


def test_dkd_splits_the_forward_kl():
    """FKL = TCKD + (1 - p_y) NCKD."""
    settings = {"temperature": 1, "ce": 0.0, "lmbda": 1.0}
    tckd, nckd = (
        run(DKD(alpha=a, beta=b, **settings))[0]["dkd"] for a, b in ((1.0, 0.0), (0.0, 1.0))
    )
    check(tckd + (1 - P.gather(1, LABEL[:, None])[:, 0]) * nckd, forward(P, Q))
