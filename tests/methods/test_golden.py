"""Each token's value and gradient against the paper's equation, written out in plain softmaxes."""

import pytest
import torch

from limbeck.data.batch import Author
from limbeck.methods import (
    GKD,
    JSD,
    KD,
    SFT,
    SKD,
    TAID,
    TVD,
    UNDO,
    DistiLLM,
    DPKDToken,
    ImitKD,
    RevKD,
    SeqKD,
)

from .texts import (
    LABEL,
    ONE_HOT,
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


def agrees(method, name, equation, **how):
    """One term, with the value and the gradient of the equation."""
    terms, grad = run(method, **how)
    value, expected = by_autograd(equation)
    assert list(terms) == [name]
    check(terms[name], value)
    check(grad, expected)


@pytest.mark.parametrize("method", [SFT(), SeqKD(), UNDO()], ids=["sft", "seqkd", "undo"])
def test_likelihood(method):
    """-log q(y), and q - onehot(y)."""
    terms, grad = run(method)
    assert list(terms) == ["nll"]
    check(terms["nll"], nll(Q))
    check(grad, Q - ONE_HOT)


def test_kd_softened_and_mixed():
    """Hinton's T^2 would be missing, or lambda would weigh the wrong side."""
    t, lmbda = 2.0, 0.3
    terms, grad = run(KD(temperature=t, lmbda=lmbda))
    p, q = softmax(Z_P, t), softmax(Z_Q, t)
    check(terms["kl"], lmbda * t**2 * forward(p, q))
    check(terms["nll"], (1 - lmbda) * nll(Q))
    # T^2 from the loss and 1/T from the chain rule; the hard term keeps temperature 1.
    check(grad, lmbda * t * (q - p) + (1 - lmbda) * (Q - ONE_HOT))


def test_kd_alone_is_the_forward_kl():
    terms, grad = run(KD())
    assert list(terms) == ["kl"]
    check(terms["kl"], forward(P, Q))
    check(grad, Q - P)


def test_kd_without_teacher_weight_is_sft():
    terms, grad = run(KD(lmbda=0.0))
    check(terms["nll"], nll(Q))
    check(terms["kl"], torch.zeros(N, dtype=torch.float64))
    check(grad, Q - ONE_HOT)


def test_kd_at_a_high_temperature_matches_logits():
    """Section 2.1 of the paper: the gradient tends to the logit difference, centred, over |V|."""
    _, grad = run(KD(temperature=100.0))
    gap = (Z_Q - Z_Q.mean(-1, keepdim=True)) - (Z_P - Z_P.mean(-1, keepdim=True))
    torch.testing.assert_close(grad, gap / V, rtol=0.1, atol=0.02)


def test_revkd():
    terms, grad = run(RevKD())
    assert list(terms) == ["reverse_kl"]
    check(terms["reverse_kl"], reverse(P, Q))
    check(grad, d_reverse(P, Q))


def jsd(beta):
    def equation(p, q):
        if beta == 0:
            return forward(p, q)
        if beta == 1:
            return reverse(p, q)
        m = beta * p + (1 - beta) * q
        return beta * forward(p, m) + (1 - beta) * forward(q, m)

    return equation


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.8])
def test_jsd(beta):
    agrees(JSD(beta=beta), "jsd", jsd(beta))


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_gkd(beta):
    """Equation 1 of the paper; beta is the teacher's weight, 0 and 1 are the two KLs."""
    agrees(GKD(beta=beta), {0.0: "kl", 1.0: "reverse_kl"}.get(beta, "jsd"), jsd(beta))


@pytest.mark.parametrize("beta", [0.05, 0.5, 0.9])
def test_gkd_rescaled(beta):
    method = GKD(beta=beta, rescale=True)
    agrees(method, "jsd", lambda p, q: jsd(beta)(p, q) / (beta * (1 - beta)))


@pytest.mark.parametrize(("beta", "kl"), [(0.0, forward), (1.0, reverse)])
def test_gkd_rescaled_has_no_jump_at_its_ends(beta, kl):
    """A schedule that ends in a KL would multiply the gradient by a hundred in its last step."""
    inside = abs(beta - 1e-6)
    terms, grad = run(GKD(beta=inside, rescale=True))
    value, expected = by_autograd(kl)
    check(terms["jsd"], value, rtol=1e-3, atol=0)
    check(grad, expected, rtol=1e-3, atol=2e-5)
    check(run(GKD(beta=beta, rescale=True))[1], expected)
    plain = run(GKD(beta=inside))[0]["jsd"]
    assert plain.max() < 1e-4, "without the option it tends to nothing"


def test_tvd():
    agrees(TVD(), "tvd", lambda p, q: 0.5 * (p - q).abs().sum(-1))


def test_imitkd_imitates_the_likeliest_token_on_the_students_text():
    """L_opt; on given text it keeps the text's own token."""
    authors = [Author.DATA, Author.STUDENT, Author.TEACHER, Author.STUDENT, Author.DATA]
    terms, grad = run(ImitKD(), author=authors)
    target = torch.where(torch.tensor(authors) == Author.STUDENT, P.argmax(-1), LABEL)
    assert (target != LABEL).any()
    one_hot = torch.eye(V, dtype=torch.float64)[target]
    check(terms["nll"], -(one_hot * Q.log()).sum(-1))
    check(grad, Q - one_hot)


@pytest.mark.parametrize("author", [Author.DATA, Author.STUDENT])
def test_imitkd_in_full_is_the_forward_kl_everywhere(author):
    agrees(ImitKD(target="full"), "kl", forward, author=author)


@pytest.mark.parametrize("t", [0.0, 0.25, 0.7, 1.0])
def test_taid(t):
    """KL(p_t || q) with the target held still: q - p_t."""
    target = softmax((1 - t) * Z_Q + t * Z_P)
    terms, grad = run(TAID(t=t))
    check(terms["kl"], forward(target, Q))
    check(grad, Q - target)
    if t == 0:
        check(grad, torch.zeros_like(Q), atol=1e-15)
    if t == 1:
        check(grad, Q - P)


def test_taid_begins_at_its_first_t():
    check(run(TAID())[1], Q - softmax(0.6 * Z_Q + 0.4 * Z_P))


@pytest.mark.parametrize(
    ("divergence", "name", "equation"),
    [
        ("forward_kl", "kl", forward),
        ("reverse_kl", "reverse_kl", reverse),
        ("jensen_shannon", "jsd", jsd(0.5)),
    ],
)
def test_skd(divergence, name, equation):
    """The released code has both arguments of its Jensen-Shannon divergence reversed."""
    agrees(SKD(divergence=divergence), name, equation)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("name", ["skew_kl", "skew_reverse_kl"])
def test_distillm(name, alpha):
    """alpha mixes the first argument into the second: p into SKL's, q into SRKL's."""

    def equation(p, q):
        if name == "skew_kl":
            return forward(p, alpha * p + (1 - alpha) * q)
        return forward(q, (1 - alpha) * p + alpha * q)

    agrees(DistiLLM(divergence=name, alpha=alpha), name, equation)


def test_jsd_is_made_of_the_two_skew_divergences_of_distillm():
    beta = 0.3
    pull = run(DistiLLM(alpha=beta))
    push = run(DistiLLM(divergence="skew_reverse_kl", alpha=1 - beta))
    value, grad = run(JSD(beta=beta))
    check(value["jsd"], beta * pull[0]["skew_kl"] + (1 - beta) * push[0]["skew_reverse_kl"])
    check(grad, beta * pull[1] + (1 - beta) * push[1])


@pytest.mark.parametrize("lmbda", [0.4, 1.0])
def test_dpkd_token(lmbda):
    """-log sigmoid(beta h) at the two models' likeliest tokens, each held still."""
    beta, rows = 0.7, torch.arange(N)
    theirs, mine = P.argmax(-1), Q.argmax(-1)
    assert (theirs != mine).any()
    terms, grad = run(DPKDToken(beta=beta, lmbda=lmbda))

    def equation(p, q):
        ratio = (q / p).log()
        h = ratio[rows, theirs] - ratio[rows, mine]
        return -lmbda * (1 / (1 + (-beta * h).exp())).log() + (1 - lmbda) * nll(q)

    value, expected = by_autograd(equation)
    assert ("nll" in terms) == (lmbda < 1)
    check(torch.stack(list(terms.values())).sum(0), value)
    check(grad, expected)
    if lmbda == 1 and (same := theirs == mine).any():
        check(terms["preference"][same], torch.full((int(same.sum()),), 2.0).double().log())
        assert grad[same].eq(0).all()
