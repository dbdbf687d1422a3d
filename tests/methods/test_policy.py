"""Policy gradients: what follows each token, by loops, and the gradients they make."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data.batch import Author, Tokens
from limbeck.methods import OPD, MiniLLM
from limbeck.methods.returns import returns
from limbeck.schedules import Linear
from limbeck.targets import Dense

from .texts import STEP, Texts, V, check, d_reverse, reverse, softmax

LENGTHS = [4, 1, 6, 3]


def drawn(authors=Author.BOTH, seed=4, spread=0.5):
    """Texts whose tokens were drawn under other log-probabilities than today's."""
    texts = Texts(LENGTHS, [authors] * len(LENGTHS), seed=seed)
    noise = torch.randn(len(texts.label), generator=torch.Generator().manual_seed(seed))
    texts.log_probs = texts.of_labels(texts.z_q) + spread * noise.double()
    return texts


def ahead_by_loops(rewards, gamma, begin=1):
    """sum over s >= t + begin of gamma^(s - t - begin) r_s, and how many terms it has."""
    n = len(rewards)
    sums = [
        sum(gamma ** (s - t - begin) * rewards[s] for s in range(t + begin, n)) for t in range(n)
    ]
    return sums, [max(n - t - begin, 0) for t in range(n)]


@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=6), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.3, 0.95, 1.0]),
    st.integers(0, 3),
)
def test_returns_are_sums_from_the_next_token_on(rewards, gamma, gap):
    """The reward of the token itself would count twice, or leak from the next sequence."""
    # Rows without tokens leave gaps in the numbering.
    row = torch.tensor([(1 + gap) * i + gap for i, r in enumerate(rewards) for _ in r])
    flat = torch.tensor([x for r in rewards for x in r], dtype=torch.float64)
    sums, counts = returns(flat, row, gamma=gamma)
    expected = [ahead_by_loops(r, gamma) for r in rewards]
    check(sums, torch.tensor([x for s, _ in expected for x in s], dtype=torch.float64), atol=1e-12)
    assert counts.tolist() == [x for _, c in expected for x in c]


def test_returns_of_nothing():
    nothing = torch.zeros(0)
    assert [len(x) for x in returns(nothing, nothing.long())] == [0, 0]


# --- OPD -----------------------------------------------------------------------------------------


def test_opd_in_full_is_the_reverse_kl():
    texts = drawn(Author.STUDENT)
    value, grad = texts.objective(OPD())
    p, q = softmax(texts.z_p), softmax(texts.z_q)
    check(value, reverse(p, q).mean())
    check(grad, d_reverse(p, q) / len(p))


def test_the_sampled_gradient_is_that_of_the_reverse_kl_on_average():
    """Over all tokens of the vocabulary, each with its probability: exactly, no sampling here."""
    one = Texts([1], [Author.STUDENT], seed=6)
    q, p = softmax(one.z_q)[0], softmax(one.z_p)[0]
    every = Texts([1] * V, [Author.STUDENT] * V)
    every.z_q, every.z_p = one.z_q.repeat(V, 1), one.z_p.repeat(V, 1)
    every.label, every.log_probs = torch.arange(V), q.log()
    terms, logits = every.terms(OPD(estimator="sampled"))
    (q * terms["policy_gradient"]).sum().backward()
    check(logits.grad.sum(0), d_reverse(p, q), atol=1e-12)
    # Its value, as all policy gradients', is no divergence: here minus the expected reward.
    check((q * terms["policy_gradient"]).sum().detach(), reverse(p, q))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_opd_sampled(gamma):
    """-ratio A, where A sums log p - log q_old from the token on, and carries no gradient."""
    texts = drawn(Author.STUDENT)
    reward = texts.of_labels(texts.z_p) - texts.log_probs
    advantage = [
        x for part in texts.sequences(reward) for x in ahead_by_loops(part.tolist(), gamma, 0)[0]
    ]
    advantage = torch.tensor(advantage, dtype=torch.float64)
    ratio = (texts.of_labels(texts.z_q) - texts.log_probs).exp()
    value, grad = texts.objective(OPD(estimator="sampled", gamma=gamma))
    check(value, (-ratio * advantage).mean())
    one_hot = torch.eye(V, dtype=torch.float64)[texts.label]
    slope = -(ratio * advantage)[:, None] * (one_hot - softmax(texts.z_q))
    check(grad, slope / len(slope))


# --- MiniLLM -------------------------------------------------------------------------------------


def lookahead(texts, method):
    """R of each token, in Python floats."""
    reward = texts.of_labels(texts.z_p) - texts.of_labels(texts.z_q)
    out = []
    for part in texts.sequences(reward):
        sums, counts = ahead_by_loops(part.tolist(), method.gamma, 0 if method.immediate else 1)
        norm = [max(c, 1) if method.length_norm else 1 for c in counts]
        out += [s / n for s, n in zip(sums, norm, strict=True)]
    if method.whiten:
        mean = sum(out) / len(out)
        variance = sum((x - mean) ** 2 for x in out) / (len(out) - 1)
        out = [(x - mean) / math.sqrt(variance) for x in out]
    return out


def minillm_by_hand(texts, method):
    """Value and gradient of each token, without autograd."""
    q, p = softmax(texts.z_q), softmax(texts.z_p)
    values, slopes, clips = [], [], []
    for t, ahead in enumerate(lookahead(texts, method)):
        y = int(texts.label[t])
        w = float(q[t, y]) / math.exp(float(texts.log_probs[t]))
        low, high = 1 - method.epsilon, 1 + method.epsilon
        clipped = min(max(w, low), high)
        # PPO's pessimistic choice: the clip holds only where it makes the gain smaller.
        held = (ahead > 0 and w > high) or (ahead < 0 and w < low)
        clips.append(held)
        values.append(w * float(reverse(p[t], q[t])) - ahead * (clipped if held else w))
        d_log = -q[t].clone()
        d_log[y] += 1
        policy = torch.zeros(V).double() if held else -w * ahead * d_log
        slopes.append(w * d_reverse(p[t], q[t]) + policy)
    return torch.tensor(values, dtype=torch.float64), torch.stack(slopes), clips


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"length_norm": False},
        {"gamma": 0.6},
        {"gamma": 0.6, "length_norm": False},
        {"immediate": True},
        {"immediate": True, "gamma": 0.95},
        {"whiten": True},
        {"epsilon": 0.05},
        {"epsilon": 1.0},
    ],
    ids=str,
)
def test_minillm(fields):
    """w grad KL - R_{t+1} grad log q, through PPO's clip; R begins at the next token."""
    texts, method = drawn(), MiniLLM(**fields)
    values, slopes, clips = minillm_by_hand(texts, method)
    if method.epsilon < 1:
        assert 0 < sum(clips) < len(clips), "some are held by the clip, some are not"
    value, grad = texts.objective(method)
    tolerance = {"rtol": 1e-6, "atol": 1e-8} if method.whiten else {}
    check(value, values.mean(), **tolerance)
    check(grad, slopes / len(slopes), **tolerance)


def test_on_the_policy_itself_minillm_is_the_plain_policy_gradient():
    """Weights of 1, nothing clipped: grad KL(q_t || p_t) - R_{t+1} grad log q(y_t)."""
    texts, method = drawn(spread=0.0), MiniLLM()
    ahead = torch.tensor(lookahead(texts, method), dtype=torch.float64)[:, None]
    q, p = softmax(texts.z_q), softmax(texts.z_p)
    one_hot = torch.eye(V, dtype=torch.float64)[texts.label]
    expected = d_reverse(p, q) - ahead * (one_hot - q)
    check(texts.objective(method)[1], expected / len(q))


def test_the_two_parts_of_minillm_are_the_gradient_over_whole_sequences():
    """All texts of two tokens over a small vocabulary: E over q is the gradient of the KL."""
    v, g = 3, torch.Generator().manual_seed(1)
    z_p, z_q = torch.randn(2, 1 + v, v, generator=g, dtype=torch.float64)  # first, then after each
    whole = z_q.clone().requires_grad_()
    q1, p1, q2, p2 = (softmax(z) for z in (whole[0], z_p[0], whole[1:], z_p[1:]))
    (reverse(p1, q1) + (q1 * reverse(p2, q2)).sum()).backward()

    pairs = [(a, b) for a in range(v) for b in range(v)]
    contexts = [c for a, _ in pairs for c in (0, 1 + a)]
    texts = Texts([2] * v * v, [Author.BOTH] * v * v)
    texts.z_p, texts.z_q = z_p[contexts], z_q[contexts]
    texts.label = torch.tensor([y for pair in pairs for y in pair])
    texts.log_probs = texts.of_labels(texts.z_q)
    terms, logits = texts.terms(MiniLLM(length_norm=False))
    probability = torch.stack([x.sum().exp() for x in texts.sequences(texts.log_probs)])
    (torch.stack(list(terms.values())).sum(0) * probability[texts.row]).sum().backward()
    estimated = torch.zeros_like(z_q).index_add_(0, torch.tensor(contexts), logits.grad)
    check(estimated, whole.grad, atol=1e-12)


@pytest.mark.parametrize("whiten", [False, True])
def test_minillm_learns_plain_text_by_likelihood_alone(whiten):
    """Text that nobody drew has no importance, and no share in the whitening of what was drawn."""
    texts = Texts([4, 3, 2, 5], [Author.BOTH, Author.CORPUS] * 2, seed=5)
    corpus = texts.author == Author.CORPUS
    texts.log_probs = torch.where(corpus, 0.0, texts.of_labels(texts.z_q) + 0.1)
    terms, logits = texts.terms(MiniLLM(lm_coef=0.3, whiten=whiten))
    torch.stack(list(terms.values())).sum().backward()
    alone = Texts([4, 2], [Author.BOTH] * 2)
    for name in ("z_p", "z_q", "label", "log_probs"):
        setattr(alone, name, getattr(texts, name)[~corpus])
    expected, their_logits = alone.terms(MiniLLM(whiten=whiten))
    torch.stack(list(expected.values())).sum().backward()
    for name in ("single_step", "long_horizon"):
        assert terms[name][corpus].eq(0).all()
        check(terms[name][~corpus].detach(), expected[name].detach())
    check(logits.grad[~corpus], their_logits.grad)
    check(terms["lm"].detach(), torch.where(corpus, -0.3 * texts.of_labels(texts.z_q), 0.0))
    one_hot = torch.eye(V, dtype=torch.float64)[texts.label[corpus]]
    check(logits.grad[corpus], 0.3 * (softmax(texts.z_q[corpus]) - one_hot))


@pytest.mark.parametrize("method", [OPD(estimator="sampled"), MiniLLM()])
def test_given_text_is_validated_by_the_exact_divergence(method):
    texts = drawn()
    tokens = Tokens(texts.z_q, Dense(texts.z_p), texts.label, texts.row, texts.author)
    (value,) = method.validation_loss(tokens, STEP).values()
    check(value, reverse(softmax(texts.z_p), softmax(texts.z_q)))


def test_a_weight_that_moves_is_asked_for_a_corpus():
    """A schedule is no number to compare with 0."""
    assert MiniLLM(lm_coef=Linear(0.0, 1.0)).needs_corpus
    assert not MiniLLM().needs_corpus
