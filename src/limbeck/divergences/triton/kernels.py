r"""Two kernels: a row's value and normalisers, and the gradient for its logits.

Between them stands ``[n, 5]``: maximum and log of the sum of exponentials of both sides, and the
sum of the slope :math:`s = \partial D / \partial \log q`. With it the gradient :math:`s_v - q_v
\sum s` needs nothing but the two logits of its own event. All arithmetic is float32, whatever
comes in. Log-probabilities are ``(z - max) - log sum``, which is exact where both are large.

Forward and reverse KL are linear in the log-ratio, so their value comes out of the trip that
finds the normalisers; the others need a second trip. Mixtures are formed in log space: a weight
of 0, an event of probability 0 and one that underflows need no case of their own, and nobody has
to ask the host whether something went wrong.
"""

import triton
import triton.language as tl

FORWARD_KL = tl.constexpr(0)
REVERSE_KL = tl.constexpr(1)
ADAPTIVE_KL = tl.constexpr(2)
JENSEN_SHANNON = tl.constexpr(3)
SKEW_KL = tl.constexpr(4)
SKEW_REVERSE_KL = tl.constexpr(5)
SKEW_REVERSE_KL_DETACHED = tl.constexpr(6)
TOTAL_VARIATION = tl.constexpr(7)
ALPHA_BETA = tl.constexpr(8)

# Stands for "nothing seen yet". Finite, so that differences of two are 0 and not NaN.
_NOTHING = tl.constexpr(-1e30)
_STATISTICS = tl.constexpr(5)


@triton.jit
def _times(weight, factor):
    """Product, and 0 where the weight is 0 even if the factor is infinite."""
    return tl.where(weight == 0.0, 0.0, weight * factor)


@triton.jit
def _log_mixture(log_a, log_b, weight):
    """Logarithm of ``weight * a + (1 - weight) * b``."""
    left = log_a + tl.log(weight)
    right = log_b + tl.log(1.0 - weight)
    high = tl.maximum(left, right)
    low = tl.minimum(left, right)
    distance = tl.where(low == float("-inf"), low, low - high)  # never -inf less -inf
    return high + tl.log(1.0 + tl.exp(distance))


@triton.jit
def _summands(log_p, log_q, first, second, MODE: tl.constexpr):
    """What an event adds to value and slope; constant parts of the slope per q cancel later.

    ``first`` is the mixture's weight, the share of the forward KL (adaptive), or alpha;
    ``second`` is beta of the alpha-beta divergence.
    """
    p = tl.exp(log_p)
    q = tl.exp(log_q)
    if MODE == FORWARD_KL:
        return _times(p, log_p - log_q), -p
    elif MODE == REVERSE_KL:
        value = _times(q, log_q - log_p)
        return value, value
    elif MODE == ADAPTIVE_KL:
        reverse = _times(q, log_q - log_p)
        tail = _times(1.0 - first, reverse)
        return _times(first, _times(p, log_p - log_q)) + tail, tail - first * p
    elif MODE == JENSEN_SHANNON:
        log_m = _log_mixture(log_p, log_q, first)
        slope = (1.0 - first) * _times(q, log_q - log_m)
        return first * _times(p, log_p - log_m) + slope, slope
    elif MODE == SKEW_KL:
        log_m = _log_mixture(log_p, log_q, first)
        pull = _times(p, tl.exp(log_q - log_m))
        return _times(p, log_p - log_m), (first - 1.0) * pull
    elif MODE == SKEW_REVERSE_KL:
        ratio = log_q - _log_mixture(log_q, log_p, first)
        value = _times(q, ratio)
        return value, value - _times(q, _times(first, tl.exp(ratio)))
    elif MODE == SKEW_REVERSE_KL_DETACHED:
        value = _times(q, log_q - _log_mixture(log_q, log_p, first))
        return value, value
    elif MODE == TOTAL_VARIATION:
        gap = q - p
        sign = tl.where(gap > 0.0, 0.5, tl.where(gap < 0.0, -0.5, 0.0))
        return gap * sign, q * sign
    else:  # alpha-beta, off its limits
        both = first + second
        p_a, q_a, q_b = tl.exp(first * log_p), tl.exp(first * log_q), tl.exp(second * log_q)
        sums = (first * tl.exp(both * log_p) + second * q_a * q_b) / both
        return (sums - p_a * q_b) / (first * second), q_b * (q_a - p_a) / first


@triton.jit
def _moved(total, mass, shrink, shift):
    """A sum of exponentials times gaps, once both maxima have risen.

    ``shrink`` is the factor on the exponentials, ``shift`` what every gap loses.
    """
    return _times(shrink, total - shift * mass)


@triton.jit
def value_kernel(
    target,
    own,
    firsts,
    values,
    statistics,
    V,
    target_stride,
    own_stride,
    first_stride,
    target_factor,
    own_factor,
    second,
    MODE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The divergence of a row, and its statistics.

    Lanes keep their own maxima and sums, which are brought together after the trip: inside it
    nothing waits for a reduction.
    """
    row = tl.program_id(0).to(tl.int64)  # n * V may exceed 31 bits
    target += row * target_stride
    own += row * own_stride
    lanes = tl.arange(0, BLOCK)
    top_p = tl.full([BLOCK], _NOTHING, tl.float32)
    top_q = tl.full([BLOCK], _NOTHING, tl.float32)
    mass_p = tl.zeros([BLOCK], tl.float32)
    mass_q = tl.zeros([BLOCK], tl.float32)
    forward = tl.zeros([BLOCK], tl.float32)  # sum of exp(p - top) ((p - top) - (q - top))
    reverse = tl.zeros([BLOCK], tl.float32)
    for start in range(0, V, BLOCK):
        inside = start + lanes < V
        p = tl.load(target + start + lanes, mask=inside, other=float("-inf")).to(tl.float32)
        q = tl.load(own + start + lanes, mask=inside, other=float("-inf")).to(tl.float32)
        p *= target_factor
        q *= own_factor
        higher_p, higher_q = tl.maximum(top_p, p), tl.maximum(top_q, q)
        shrink_p, shrink_q = tl.exp(top_p - higher_p), tl.exp(top_q - higher_q)
        e_p, e_q = tl.exp(p - higher_p), tl.exp(q - higher_q)
        if MODE <= ADAPTIVE_KL:
            shift = (higher_p - top_p) - (higher_q - top_q)
            gap = (p - higher_p) - (q - higher_q)
            if MODE != REVERSE_KL:
                forward = _moved(forward, mass_p, shrink_p, shift) + _times(e_p, gap)
            if MODE != FORWARD_KL:
                reverse = _moved(reverse, mass_q, shrink_q, -shift) + _times(e_q, -gap)
        mass_p = mass_p * shrink_p + e_p
        mass_q = mass_q * shrink_q + e_q
        top_p, top_q = higher_p, higher_q

    max_p, max_q = tl.max(top_p, 0), tl.max(top_q, 0)
    shrink_p, shrink_q = tl.exp(top_p - max_p), tl.exp(top_q - max_q)
    sum_p, sum_q = tl.sum(mass_p * shrink_p, 0), tl.sum(mass_q * shrink_q, 0)
    log_p, log_q = tl.log(sum_p), tl.log(sum_q)
    first = tl.load(firsts + row * first_stride)

    if MODE <= ADAPTIVE_KL:
        shift = (max_p - top_p) - (max_q - top_q)
        to_q = tl.sum(_moved(forward, mass_p, shrink_p, shift), 0) / sum_p - (log_p - log_q)
        to_p = tl.sum(_moved(reverse, mass_q, shrink_q, -shift), 0) / sum_q - (log_q - log_p)
        if MODE == FORWARD_KL:
            value = to_q
            slope = -1.0
        elif MODE == REVERSE_KL:
            value = to_p
            slope = to_p
        else:
            tail = tl.where(to_p == float("inf"), to_p, (1.0 - first) * to_p)
            value = _times(first, to_q) + tail
            slope = (1.0 - first) * to_p - first
    else:
        values_of_lanes = tl.zeros([BLOCK], tl.float32)
        slopes_of_lanes = tl.zeros([BLOCK], tl.float32)
        for start in range(0, V, BLOCK):
            inside = start + lanes < V
            p = tl.load(target + start + lanes, mask=inside, other=0.0).to(tl.float32)
            q = tl.load(own + start + lanes, mask=inside, other=0.0).to(tl.float32)
            p = (p * target_factor - max_p) - log_p
            q = (q * own_factor - max_q) - log_q
            more, steeper = _summands(p, q, first, second, MODE)
            values_of_lanes += tl.where(inside, more, 0.0)
            slopes_of_lanes += tl.where(inside, steeper, 0.0)
        value = tl.sum(values_of_lanes, 0)
        slope = tl.sum(slopes_of_lanes, 0)

    tl.store(values + row, value)
    statistics += row * _STATISTICS
    tl.store(statistics, max_p)
    tl.store(statistics + 1, log_p)
    tl.store(statistics + 2, max_q)
    tl.store(statistics + 3, log_q)
    tl.store(statistics + 4, slope)


@triton.jit
def gradient_kernel(
    target,
    own,
    firsts,
    statistics,
    scales,
    gradient,
    V,
    target_stride,
    own_stride,
    first_stride,
    target_factor,
    own_factor,
    second,
    MODE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """``scale * (slope - q * sum of slopes)`` of one block of a row."""
    row = tl.program_id(0).to(tl.int64)
    events = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = events < V
    p = tl.load(target + row * target_stride + events, mask=inside, other=0.0).to(tl.float32)
    q = tl.load(own + row * own_stride + events, mask=inside, other=0.0).to(tl.float32)
    statistics += row * _STATISTICS
    log_p = (p * target_factor - tl.load(statistics)) - tl.load(statistics + 1)
    log_q = (q * own_factor - tl.load(statistics + 2)) - tl.load(statistics + 3)
    first = tl.load(firsts + row * first_stride)
    _, slope = _summands(log_p, log_q, first, second, MODE)
    result = slope - _times(tl.exp(log_q), tl.load(statistics + 4))
    result *= tl.load(scales + row)
    tl.store(gradient + row * V + events, result.to(gradient.dtype.element_ty), mask=inside)
