"""From tensors to bytes and back: what is lost is what the docstrings say, and no more."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.caching import HiddenEncoding, SampledEncoding, TopKEncoding, bits, codes
from limbeck.caching.encodings import described, from_manifest
from limbeck.divergences import Head, forward_kl
from limbeck.targets import Dense, Projected

CPU = torch.device("cpu")
SIZES = [2, 300, 2**16, 2**16 + 1, 151_936, 2**20, 2**24]


def shown(seed=0, rows=6, vocabulary=300, scale=2.0, hidden=8):
    g = torch.Generator().manual_seed(seed)
    states = torch.randn(rows, hidden, generator=g)
    return Projected(states, Head(torch.randn(vocabulary, hidden, generator=g) * scale))


def log_probs(target):
    return target.head.logits(target.hidden).log_softmax(-1)


@given(st.sampled_from(SIZES), st.integers(1, 40), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_ids_come_back(vocabulary, count, rows, seed):
    ids = np.random.default_rng(seed).integers(0, vocabulary, (rows, count))
    low, high = bits.split(ids, vocabulary)
    assert low.dtype == np.uint16 and high.shape == (rows, bits.packed_width(count, vocabulary))
    assert (bits.join(low, high, vocabulary) == ids).all()


@pytest.mark.parametrize(("vocabulary", "width"), [(65_536, 0), (65_537, 16), (151_936, 32)])
def test_high_bits_take_what_they_need(vocabulary, width):
    assert bits.packed_width(128, vocabulary) == width


@given(st.lists(st.floats(-60, 0, width=32), min_size=1))
def test_the_8_bit_code_keeps_its_promise(values):
    log_p = np.array(values, np.float32)
    error = np.abs(codes.from_codes(codes.to_codes(log_p)) - log_p)
    assert (error[log_p >= -12] <= 1 / 32 + 1e-6).all()
    assert (error[log_p >= -27.75] <= 1 / 8 + 1e-6).all()
    assert (codes.from_codes(codes.to_codes(log_p[log_p < -27.75])) == -27.75).all()


def test_codes_come_back():
    every = np.arange(256, dtype=np.uint8)
    assert (codes.to_codes(codes.from_codes(every)) == every).all()


# Decoding divides by the sum, which is off by as much as the likeliest code.
TOLERANCE = {"packed": 2 / 32, "f16": 1e-2, "f32": 1e-6}


@given(
    st.integers(0, 10**6),
    st.integers(1, 300),
    st.sampled_from(["packed", "f16", "f32"]),
    st.sampled_from([0.0, 1.0, 4.0]),
)
def test_topk_comes_back(seed, k, form, scale):
    teacher = shown(seed, scale=scale)
    encoding = TopKEncoding(300, k, form)
    columns = encoding.encode(teacher, 0)
    size = sum(a.nbytes for a in columns.values())
    assert size == 6 * encoding.bytes_per_token
    target = encoding.target(columns, CPU)
    log_p = log_probs(teacher)
    kept = log_p.gather(-1, target.ids.long())
    deep = log_p.topk(k, -1).values
    torch.testing.assert_close(kept, deep)  # the likeliest ones, in their order
    near = kept > -11.9
    assert ((target.log_p - kept).abs()[near] <= TOLERANCE[form]).all()
    total = target.log_p.exp().sum(-1) + target.log_rest.exp()
    torch.testing.assert_close(total, torch.ones(6), atol=2e-3, rtol=0)
    if k == 300:
        assert (target.log_rest < -20).all()


@pytest.mark.parametrize("exact", [0, 3])
@pytest.mark.parametrize("vocabulary", [300, 70_000])
def test_samples_are_unbiased(exact, vocabulary):
    """The mean estimate over many tokens of one distribution is that distribution (chi-square)."""
    one = shown(1, rows=1, vocabulary=vocabulary, scale=1.0)
    draws = 400 if vocabulary > 1000 else 4000
    many = Projected(one.hidden.expand(draws, -1), one.head)
    encoding = SampledEncoding(vocabulary, 20, exact)
    target = encoding.target(encoding.encode(many, 3), CPU)
    torch.testing.assert_close(target.mass.sum(-1), torch.ones(draws))
    estimate = torch.zeros(draws, vocabulary, dtype=torch.float64)
    estimate.scatter_add_(-1, target.ids.long(), target.mass.double())
    p = log_probs(one).double().exp()[0]
    top = p.topk(20).indices
    mean, error = estimate[:, top].mean(0), estimate[:, top].std(0) / draws**0.5
    z = (mean - p[top]) / error.clamp(min=1e-3 * p[top].max())
    assert z.abs().max() < 4.5
    assert (estimate > 0).sum(-1).max() <= 20 + exact
    assert abs(float((estimate - p).mean())) < 1e-6


def test_each_seed_draws_differently_and_each_again():
    encoding = SampledEncoding(300, 12)
    a, b, c = (encoding.encode(shown(), seed) for seed in (1, 1, 2))
    assert all((a[name] == b[name]).all() for name in a)
    assert len(a["low"]) != len(c["low"]) or (a["low"] != c["low"]).any()


def test_a_certain_teacher_leaves_nothing_to_draw():
    """All mass on one token: the rest has no distribution, and nothing may become NaN."""
    head = Head(torch.eye(4) * 500)
    certain = Projected(torch.eye(4)[:2] * 2, head)
    for exact in (0, 1, 2):
        encoding = SampledEncoding(4, 5, exact)
        target = encoding.target(encoding.encode(certain, 0), CPU)
        value = forward_kl(*target.pair(torch.zeros(2, 4), 1.0))
        torch.testing.assert_close(value, torch.full((2,), 4.0).log(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_hidden_states_come_back_exactly(dtype):
    teacher = shown()
    teacher = Projected(teacher.hidden.to(dtype), teacher.head)
    encoding = HiddenEncoding(300, 8, str(dtype).removeprefix("torch."), teacher.head)
    columns = encoding.encode(teacher, 0)
    assert sum(a.nbytes for a in columns.values()) == 6 * encoding.bytes_per_token
    target = encoding.target(columns, CPU)
    assert target.hidden.dtype == dtype and torch.equal(target.hidden, teacher.hidden)
    student = torch.randn(6, 300)
    for temperature in (1.0, 3.0):
        log_p, _ = target.pair(student, temperature)
        whole, _ = Dense(teacher.head.logits(teacher.hidden)).pair(student, temperature)
        torch.testing.assert_close(log_p.dense(), whole.dense())


@pytest.mark.parametrize(
    "encoding",
    [TopKEncoding(300, 8, "f16"), SampledEncoding(300, 5, 2), HiddenEncoding(300, 8, "float32")],
)
def test_the_manifest_makes_it_again(encoding):
    assert from_manifest(described(encoding)) == encoding
