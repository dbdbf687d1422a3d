"""Methods that set the teacher's text against the student's: whole sequences, by hand."""

import math

import pytest
import torch

from limbeck.data.batch import Author, Sequence, Tokens
from limbeck.engines import Scripted
from limbeck.methods import DPKD, DistiLLM, DistiLLM2, Step
from limbeck.sources import Sources
from limbeck.targets import Dense

from .labs import Answers
from .texts import STEP, Texts, check, forward, softmax

PAIRS = Texts([3, 2, 1, 5, 4, 4], [Author.TEACHER, Author.STUDENT] * 3, seed=3)
ANCHORS = {"m_teacher": 0.06, "m_student": 0.05}


def second_round(**state):
    return Step(2, 10, round=1, rounds=3, state={**ANCHORS, **state})


# --- DistiLLM-2 ----------------------------------------------------------------------------------


def difficulties():
    """d of each sequence, in Python floats: a difference of geometric means."""
    p, q = (PAIRS.sequences(PAIRS.of_labels(z)) for z in (PAIRS.z_p, PAIRS.z_q))
    out = []
    for i, (a, b) in enumerate(zip(p, q, strict=True)):
        d = math.exp(sum(a.tolist()) / len(a)) - math.exp(sum(b.tolist()) / len(b))
        out.append(d if i % 2 == 0 else -d)
    return out


def curriculum(d, m, base):
    if m <= 0:
        return base
    if d <= 0:
        return 0.01
    return min(max(1 - (1 - base) * m / d, 0.01), base)


def equation_2(z, alphas, beta, detach_mixture):
    """1 / (2 |D|) sum (1 - beta) SKL(y_t) + beta SRKL(y_s), each a mean over its tokens."""
    p, q = PAIRS.sequences(softmax(PAIRS.z_p)), PAIRS.sequences(softmax(z))
    value = 0.0
    for i in range(0, 6, 2):
        a, b = alphas[i], alphas[i + 1]
        value = value + (1 - beta) * forward(p[i], a * p[i] + (1 - a) * q[i]).mean()
        mixture = (1 - b) * p[i + 1] + b * q[i + 1]
        mixture = mixture.detach() if detach_mixture else mixture
        value = value + beta * forward(q[i + 1], mixture).mean()
    return value / (2 * 3)


def by_equation_2(alphas, beta, detach_mixture=False):
    return PAIRS.gradient_of(lambda z: equation_2(z, alphas, beta, detach_mixture))


def agree(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        check(a, b, rtol=1e-6, atol=1e-8)  # the anchor passes through float32


@pytest.mark.parametrize("detach", [False, True])
def test_distillm2_in_its_first_round(detach):
    """The base alpha everywhere; a detached mixture is another gradient of the same value."""
    step = Step(5, 10, round=0, rounds=3, state={"m_teacher": 0.3, "m_student": 0.3})
    beta = 0.5 + 0.25 * (0.5 / 3) / 0.5
    actual = PAIRS.objective(DistiLLM2(detach_mixture=detach), step)
    agree(actual, by_equation_2([0.1] * 6, beta, detach))
    other = by_equation_2([0.1] * 6, beta, not detach)
    assert actual[0].allclose(other[0]) and not actual[1].allclose(other[1], rtol=1e-3)


def test_distillm2_follows_the_difficulty_from_the_second_round_on():
    """Sequences on which the student is ahead must not get the largest skew, as in the code."""
    d, base = difficulties(), 0.3
    ahead = [x for i, x in enumerate(d) if i % 2 == 0]
    assert min(d) < 0, "a sequence on which the student is ahead"
    m = {"m_teacher": 1.2 * max(ahead), "m_student": 0.5 * max(d[1::2])}
    alphas = [
        curriculum(x, m["m_teacher" if i % 2 == 0 else "m_student"], base) for i, x in enumerate(d)
    ]
    assert any(0.01 < a < base for a in alphas) and 0.01 in alphas, "inside and at the clip"
    beta = 0.5 + 0.25 * (1.2 / 3) / 0.5
    actual = PAIRS.objective(DistiLLM2(alpha=base), second_round(**m))
    agree(actual, by_equation_2(alphas, beta))


def test_distillm2_the_upper_clip():
    """Far ahead of the anchor, alpha stays at its base."""
    step = second_round(m_teacher=1e-4, m_student=1e-4)
    found = DistiLLM2().look(PAIRS.scored(), step)["alpha"]
    assert all(abs(x) > 1e-3 for x in difficulties())
    expected = [0.1 if x > 0 else 0.01 for x in difficulties()]
    actual = [float(part[0]) for part in PAIRS.sequences(found)]
    assert actual == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [0.0, -0.2])
def test_distillm2_without_an_anchor_above_zero(m):
    actual = PAIRS.objective(DistiLLM2(), second_round(m_teacher=m, m_student=m))
    agree(actual, by_equation_2([0.1] * 6, 0.5 + 0.25 * 0.8))


def test_distillm2_without_curricula():
    """The released code: the static contrastive loss."""
    actual = PAIRS.objective(DistiLLM2(curriculum=False, beta=0.5), second_round())
    agree(actual, by_equation_2([0.1] * 6, 0.5))


def test_the_anchors_of_distillm2_are_means_over_the_first_round():
    """The released code reads them from a key that does not exist."""
    method, state = DistiLLM2(), dict(DistiLLM2().init())
    gaps = [(0.2, 0.1), (0.4, -0.3), (0.0, 0.5)]
    for done, (t, s) in enumerate(gaps, start=1):
        means = {"gap_teacher": t, "gap_student": s, "pull": 1.0, "push": 1.0}
        state = dict(method.update(means, Step(done, 3, rounds=2, state=state)))
    # Each side is half of the sequences that the trainer averages over.
    assert state["m_teacher"] == pytest.approx(2 * 0.6 / 3)
    assert state["m_student"] == pytest.approx(2 * 0.3 / 3)
    later = Step(0, 3, round=1, rounds=2, state=state)
    assert method.update({"gap_teacher": 9.0, "gap_student": 9.0}, later) == state


def test_what_distillm2_sees_adds_up_to_the_means_of_d():
    """Averaged over all sequences, as the trainer does: half of each side's mean."""
    step = Step(0, 10, state=DistiLLM2().init())
    found, d = DistiLLM2().look(PAIRS.scored(), step), difficulties()
    for name, side in (("gap_teacher", d[0::2]), ("gap_student", d[1::2])):
        mean = sum(part.mean() for part in PAIRS.sequences(found[name])) / 6
        assert float(2 * mean) == pytest.approx(sum(side) / 3, rel=1e-9)


# --- DPKD ----------------------------------------------------------------------------------------


def whole_sequences(z, beta):
    """Equation 9 through whole sequences, differentiated by autograd."""
    log_q, log_p = PAIRS.of_labels(z), PAIRS.of_labels(PAIRS.z_p)
    ratio = [part.sum() / len(part) for part in (log_q - log_p).split(PAIRS.lengths)]
    losses = [-torch.sigmoid(beta * ratio[i] - beta * ratio[i + 1]).log() for i in range(0, 6, 2)]
    return torch.stack(losses).mean()


@pytest.mark.parametrize("beta", [0.1, 1.0, 3.0])
def test_dpkd(beta):
    """No sum over tokens: an error in the linearised form shows in the gradient alone."""
    value, grad = PAIRS.objective(DPKD(beta=beta))
    expected = PAIRS.gradient_of(lambda z: whole_sequences(z, beta))
    check(value, expected[0])
    check(grad, expected[1])


def test_dpkd_pushes_the_two_texts_apart():
    """Released code that swaps them makes the student worse than it was."""
    _, grad = PAIRS.objective(DPKD())
    rows = torch.arange(len(grad))
    towards = -grad[rows, PAIRS.label]
    assert (towards[PAIRS.author == Author.TEACHER] > 0).all()
    assert (towards[PAIRS.author == Author.STUDENT] < 0).all()


# --- plain text beside pairs ---------------------------------------------------------------------


def test_dpkd_keeps_its_pairs_beside_plain_text():
    """A margin would be taken between an answer and a piece of the corpus."""
    authors = [Author.TEACHER, Author.STUDENT, Author.CORPUS] * 2
    texts, coefficient = Texts([3, 2, 4, 1, 5, 2], authors, seed=8), 0.5
    terms, logits = texts.terms(DPKD(beta=2.0, lm_coef=coefficient))
    torch.stack(list(terms.values())).sum().backward()
    corpus = texts.author == Author.CORPUS
    nll = -texts.of_labels(texts.z_q)
    check(terms["lm"].detach(), torch.where(corpus, coefficient * nll, 0.0))
    assert terms["preference"][corpus].eq(0).all()
    kept = [0, 1, 3, 4]
    alone = Texts([texts.lengths[i] for i in kept], [authors[i] for i in kept])
    alone.z_p, alone.z_q, alone.label = texts.z_p[~corpus], texts.z_q[~corpus], texts.label[~corpus]
    without, their_logits = alone.terms(DPKD(beta=2.0))
    without["preference"].sum().backward()
    check(terms["preference"][~corpus].detach(), without["preference"].detach())
    check(logits.grad[~corpus], their_logits.grad)
    one_hot = torch.eye(8, dtype=torch.float64)[texts.label[corpus]]
    check(logits.grad[corpus], coefficient * (softmax(texts.z_q[corpus]) - one_hot))


def test_dpkd_writes_beside_each_answer_of_the_teacher():
    rows = [Sequence((2, i), (3, 1), Author.TEACHER, example=i) for i in range(3)]
    corpus = [Sequence((9,), (8, 7), Author.CORPUS), Sequence((9,), (6,), Author.CORPUS)]
    sources = Sources(student=Scripted(lambda prompt: (*prompt, 1)), corpus=corpus)
    plain = DPKD().sequences(rows, sources, STEP)
    assert [s.author for s in plain] == [Author.TEACHER, Author.STUDENT] * 3
    assert plain[0::2] == rows and [s.completion for s in plain[1::2]] == [
        (2, i, 1) for i in range(3)
    ]
    triples = DPKD(lm_coef=0.5).sequences(rows, sources, STEP)
    assert [s.author for s in triples] == [Author.TEACHER, Author.STUDENT, Author.CORPUS] * 3
    assert [s for i, s in enumerate(triples) if i % 3 < 2] == plain


@pytest.mark.parametrize("divergence", ["skew_kl", "skew_reverse_kl"])
def test_distillm_learns_plain_text_by_likelihood_alone(divergence):
    """The corpus would be imitated after the teacher, which has not seen it either."""
    authors = [Author.STUDENT, Author.CORPUS, Author.DATA, Author.CORPUS]
    texts, coefficient = Texts([3, 2, 4, 1], authors, seed=2), 0.7
    with_text, logits = texts.terms(DistiLLM(divergence=divergence, lm_coef=coefficient))
    torch.stack(list(with_text.values())).sum().backward()
    corpus = texts.author == Author.CORPUS
    plain, other = texts.terms(DistiLLM(divergence=divergence))
    plain[divergence].sum().backward()
    nll = -texts.of_labels(texts.z_q)
    check(with_text[divergence].detach(), torch.where(corpus, 0.0, plain[divergence].detach()))
    check(with_text["lm"].detach(), torch.where(corpus, coefficient * nll, 0.0))
    one_hot = torch.eye(8, dtype=torch.float64)[texts.label]
    lm = coefficient * (softmax(texts.z_q) - one_hot)
    check(logits.grad, torch.where(corpus[:, None], lm, other.grad))


def test_validation_text_has_no_margin_and_no_difficulty():
    """Given text has one side and nobody has looked at it."""
    z_p, z_q = PAIRS.z_p, PAIRS.z_q
    tokens = Tokens(z_q, Dense(z_p), PAIRS.label, PAIRS.row, torch.zeros_like(PAIRS.author))
    p, q = softmax(z_p), softmax(z_q)
    check(DPKD().validation_loss(tokens, STEP)["kl"], forward(p, q))
    pull = DistiLLM2(beta=0.5).validation_loss(tokens, STEP)["pull"]
    check(pull, forward(p, 0.1 * p + 0.9 * q))


class _Rows(Answers):
    """Four prompts; the data and the teacher have answered each."""

    def labelled(self):
        return [Sequence((2,), (3, 1), Author.DATA, i) for i in range(4)]

    def answered_by_teacher(self):
        return [Sequence((2,), (4, 1), Author.TEACHER, i) for i in range(4)]


@pytest.mark.parametrize(
    ("text", "written"), [("teacher", [4] * 4), ("data", [3] * 4), ("mixed", [4, 3, 4, 3])]
)
def test_distillm2_is_pulled_to_the_text_that_is_asked_for(text, written):
    method = DistiLLM2(text=text)
    rows = method.prepare(_Rows())
    assert [row.completion[0] for row in rows] == written
    assert all(row.rejected for row in rows), "and pushed from its own in any case"
    assert method.teacher_writes == (text != "data")
