"""The divergences as their papers define them: one position, Python floats, plain loops.

Everything takes two lists of log-probabilities, the target's first. ``log_p[v]`` may be ``-inf``.
Nothing here is fast or clever, so that it can be compared with a page of paper.
"""

from math import exp, inf, log


def _times(weight, factor):
    return 0.0 if weight == 0.0 else weight * factor


def _log(x):
    return log(x) if x > 0.0 else -inf


def kl(log_a, log_b):
    """Sum of a log(a / b), with 0 log 0 = 0."""
    total = 0.0
    for la, lb in zip(log_a, log_b, strict=True):
        if la != -inf:
            total += exp(la) * (la - lb)
    return total


def mixture(log_a, log_b, weight):
    """Logarithms of weight * a + (1 - weight) * b."""
    return [
        _log(weight * exp(x) + (1 - weight) * exp(y)) for x, y in zip(log_a, log_b, strict=True)
    ]


def forward_kl(log_p, log_q):
    return kl(log_p, log_q)


def reverse_kl(log_p, log_q):
    return kl(log_q, log_p)


def jensen_shannon(log_p, log_q, beta):
    m = mixture(log_p, log_q, beta)
    return beta * kl(log_p, m) + (1 - beta) * kl(log_q, m)


def skew_kl(log_p, log_q, alpha):
    return kl(log_p, mixture(log_p, log_q, alpha))


def skew_reverse_kl(log_p, log_q, alpha):
    return kl(log_q, mixture(log_q, log_p, alpha))


def total_variation(log_p, log_q):
    return 0.5 * sum(abs(exp(a) - exp(b)) for a, b in zip(log_p, log_q, strict=True))


def adaptive_weight(log_p, log_q, mu):
    """The share of the gap that lies in the head of the target."""
    by_probability = sorted(range(len(log_p)), key=lambda v: -log_p[v])
    cumulative, head = 0.0, set()
    for rank, v in enumerate(by_probability):
        cumulative += exp(log_p[v])
        if rank == 0 or cumulative <= mu:
            head.add(v)
    gap = [abs(exp(a) - exp(b)) for a, b in zip(log_p, log_q, strict=True)]
    if sum(gap) == 0.0:
        return 0.5
    return sum(gap[v] for v in head) / sum(gap)


def adaptive_kl(log_p, log_q, mu):
    w = adaptive_weight(log_p, log_q, mu)
    return w * kl(log_p, log_q) + (1 - w) * kl(log_q, log_p)


def alpha_beta(log_p, log_q, alpha, beta):
    """The general formula; alpha, beta and alpha + beta must not be 0."""
    total = 0.0
    for lp, lq in zip(log_p, log_q, strict=True):
        p, q = exp(lp), exp(lq)
        total += p**alpha * q**beta
        total -= alpha / (alpha + beta) * p ** (alpha + beta)
        total -= beta / (alpha + beta) * q ** (alpha + beta)
    return -total / (alpha * beta)


# --- derivatives with respect to the student's logits --------------------------------------------


def behind_softmax(log_q, dq):
    """From the derivative by each probability q_v to the derivative by each logit z_v."""
    q = [exp(x) for x in log_q]
    mean = sum(_times(a, g) for a, g in zip(q, dq, strict=True))
    return [_times(a, g - mean) for a, g in zip(q, dq, strict=True)]


def d_forward_kl(log_p, log_q):
    return [exp(b) - exp(a) for a, b in zip(log_p, log_q, strict=True)]


def d_reverse_kl(log_p, log_q):
    total = kl(log_q, log_p)
    return [exp(b) * (b - a - total) for a, b in zip(log_p, log_q, strict=True)]


def d_jensen_shannon(log_p, log_q, beta):
    m = mixture(log_p, log_q, beta)
    return behind_softmax(log_q, [(1 - beta) * (b - c) for b, c in zip(log_q, m, strict=True)])


def d_skew_kl(log_p, log_q, alpha):
    m = mixture(log_p, log_q, alpha)
    return behind_softmax(log_q, [-(1 - alpha) * exp(a - c) for a, c in zip(log_p, m, strict=True)])


def d_skew_reverse_kl(log_p, log_q, alpha, detach_mixture=False):
    m = mixture(log_q, log_p, alpha)
    moving = 0.0 if detach_mixture else alpha
    slope = [(b - c) - moving * exp(b - c) for b, c in zip(log_q, m, strict=True)]
    return behind_softmax(log_q, slope)


def d_total_variation(log_p, log_q):
    sign = [(b > a) - (b < a) for a, b in zip(log_p, log_q, strict=True)]
    return behind_softmax(log_q, [0.5 * s for s in sign])


def d_adaptive_kl(log_p, log_q, mu):
    w = adaptive_weight(log_p, log_q, mu)
    forward, reverse = d_forward_kl(log_p, log_q), d_reverse_kl(log_p, log_q)
    return [w * f + (1 - w) * r for f, r in zip(forward, reverse, strict=True)]


def d_alpha_beta(log_p, log_q, alpha, beta):
    """Table of section 0.2; alpha must not be 0."""
    pull = []
    for lp, lq in zip(log_p, log_q, strict=True):
        p, q = exp(lp), exp(lq)
        pull.append(q**beta * (q**alpha - p**alpha) / alpha)
    return [x - exp(lq) * sum(pull) for x, lq in zip(pull, log_q, strict=True)]
