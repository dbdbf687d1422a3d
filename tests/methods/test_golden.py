"""Each method's value and gradient against its equation, written out in plain softmaxes."""

import pytest
import torch

from limbeck.data.batch import Author, Tokens
from limbeck.methods import GKD, KD, SFT, RevKD, SeqKD, Step
from limbeck.targets import Dense

STEP = Step(index=0, total=1)
G = torch.Generator().manual_seed(0)
Z_P, Z_Q = 2 * torch.randn(2, 5, 8, generator=G, dtype=torch.float64)
LABEL = torch.tensor([0, 7, 3, 3, 1])
ONE_HOT = torch.eye(8, dtype=torch.float64)[LABEL]


def softmax(z, temperature=1.0):
    e = (z / temperature).exp()
    return e / e.sum(-1, keepdim=True)


def run(method):
    """Terms, and the gradient of their sum with respect to the student's logits."""
    logits = Z_Q.clone().requires_grad_()
    author = torch.full((5,), int(Author.DATA))
    terms = method.loss(Tokens(logits, Dense(Z_P), LABEL, torch.arange(5), author), STEP)
    torch.stack(list(terms.values())).sum().backward()
    return {k: v.detach() for k, v in terms.items()}, logits.grad


def by_autograd(equation):
    z = Z_Q.clone().requires_grad_()
    value = equation(softmax(Z_P), softmax(z))
    value.sum().backward()
    return value.detach(), z.grad


def check(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-13)


def nll(q):
    return -(ONE_HOT * q.log()).sum(-1)


@pytest.mark.parametrize("method", [SFT(), SeqKD()], ids=["sft", "seqkd"])
def test_likelihood(method):
    """-log q(y), and q - onehot(y)."""
    terms, grad = run(method)
    assert list(terms) == ["nll"]
    check(terms["nll"], nll(softmax(Z_Q)))
    check(grad, softmax(Z_Q) - ONE_HOT)


def test_kd_softened_and_mixed():
    """Hinton's T^2 would be missing, or lambda would weigh the wrong side."""
    t, lmbda = 2.0, 0.3
    terms, grad = run(KD(temperature=t, lmbda=lmbda))
    p, q = softmax(Z_P, t), softmax(Z_Q, t)
    check(terms["kl"], lmbda * t**2 * (p * (p / q).log()).sum(-1))
    check(terms["nll"], (1 - lmbda) * nll(softmax(Z_Q)))
    # T^2 from the loss and 1/T from the chain rule; the hard term keeps temperature 1.
    check(grad, lmbda * t * (q - p) + (1 - lmbda) * (softmax(Z_Q) - ONE_HOT))


def test_kd_alone_is_the_forward_kl():
    terms, grad = run(KD())
    p, q = softmax(Z_P), softmax(Z_Q)
    assert list(terms) == ["kl"]
    check(terms["kl"], (p * (p / q).log()).sum(-1))
    check(grad, q - p)


def test_kd_without_teacher_weight_is_sft():
    terms, grad = run(KD(lmbda=0.0))
    check(terms["nll"], nll(softmax(Z_Q)))
    check(terms["kl"], torch.zeros(5, dtype=torch.float64))
    check(grad, softmax(Z_Q) - ONE_HOT)


def test_kd_at_a_high_temperature_matches_logits():
    """Section 2.1 of the paper: the gradient tends to the logit difference, centred, over |V|."""
    _, grad = run(KD(temperature=100.0))
    gap = (Z_Q - Z_Q.mean(-1, keepdim=True)) - (Z_P - Z_P.mean(-1, keepdim=True))
    torch.testing.assert_close(grad, gap / 8, rtol=0.1, atol=0.02)


def test_revkd():
    terms, grad = run(RevKD())
    p, q = softmax(Z_P), softmax(Z_Q)
    kl = (q * (q / p).log()).sum(-1)
    assert list(terms) == ["reverse_kl"]
    check(terms["reverse_kl"], kl)
    check(grad, q * ((q / p).log() - kl[:, None]))


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_gkd(beta):
    """Equation 1 of the paper; beta is the teacher's weight, 0 and 1 are the two KLs."""

    def equation(p, q):
        if beta == 0:
            return (p * (p / q).log()).sum(-1)
        if beta == 1:
            return (q * (q / p).log()).sum(-1)
        m = beta * p + (1 - beta) * q
        return (beta * p * (p / m).log() + (1 - beta) * q * (q / m).log()).sum(-1)

    terms, grad = run(GKD(beta=beta))
    assert list(terms) == [{0.0: "kl", 1.0: "reverse_kl"}.get(beta, "jsd")]
    value, expected = by_autograd(equation)
    check(*terms.values(), value)
    check(grad, expected)


@pytest.mark.parametrize("cls", [KD, GKD])
@pytest.mark.parametrize("lmbda", [-0.01, 1.01, float("nan"), float("inf")])
def test_lambda_is_a_fraction(cls, lmbda):
    with pytest.raises(ValueError, match="lmbda"):
        cls(lmbda=lmbda)


@pytest.mark.parametrize("beta", [-0.01, 1.01, float("nan")])
def test_beta_is_a_fraction(beta):
    with pytest.raises(ValueError, match="beta"):
        GKD(beta=beta)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="temperature"):
        KD(temperature=temperature)
