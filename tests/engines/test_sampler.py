"""The sampler: every event as often as it is probable, and no other."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from limbeck.engines import Sampling
from limbeck.engines.sampler import filtered, inverse_cdf, sample

PLAIN = Sampling()
FILTERS = [
    PLAIN,
    Sampling(temperature=0.7),
    Sampling(temperature=1.6, top_k=5),
    Sampling(top_p=0.8),
    Sampling(temperature=1.3, top_k=40, top_p=0.9),
    Sampling(top_p=0.0),
    Sampling(top_k=1),
    Sampling(top_k=10**6),
]


def logits(events, spread, rows=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    return spread * torch.randn(rows, events, generator=g)


def uniforms(n, seed=1):
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def warped(scores, sampling):
    """What transformers samples from."""
    warpers = LogitsProcessorList()
    if sampling.temperature != 1:
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers(None, scores)


def draws(row, n, sampling=PLAIN):
    """Counts of ``n`` draws from one row."""
    counts = torch.zeros(row.shape[-1], dtype=torch.long)
    for u in uniforms(n).split(500):
        tokens, _ = sample(row.expand(len(u), -1), u, sampling)
        counts += torch.bincount(tokens, minlength=len(counts))
    return counts.numpy()


def p_value(counts, probabilities):
    """Chi-square over bins of at least 20 expected draws, rare events together."""
    order = np.argsort(probabilities)
    expected = probabilities[order] * counts.sum() / probabilities.sum()
    bins = np.unique(np.floor(np.cumsum(expected) / 20), return_index=True)[1]
    assert len(bins) > 2
    return chisquare(np.add.reduceat(counts[order], bins), np.add.reduceat(expected, bins)).pvalue


@pytest.mark.parametrize("events", [7, 1000, 32001])
@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_events_are_drawn_as_often_as_they_are_probable(events, spread):
    """The student's text would be no sample of the student."""
    row = logits(events, spread)
    p = row.double().softmax(-1).squeeze(0).numpy()
    assert p_value(draws(row, 4000), p) > 1e-3


@pytest.mark.parametrize("sampling", FILTERS[1:5])
def test_filtered_events_too(sampling):
    row = logits(1000, 2.0)
    p = warped(row.double(), sampling).softmax(-1).squeeze(0).numpy()
    counts = draws(row, 6000, sampling)
    assert not counts[p == 0].any()
    assert p_value(counts[p > 0], p[p > 0]) > 1e-3


@pytest.mark.parametrize(("events", "spread"), [(32001, 0.0), (151_936, 0.0), (151_936, 5.0)])
def test_each_number_falls_where_the_cumulative_distribution_says(events, spread):
    """Sums in float32 over 152k events would drift, and the last events be drawn too often."""
    row = logits(events, spread)
    end = row.double().softmax(-1).cumsum(-1).squeeze(0)
    u = (torch.arange(96, dtype=torch.float64) + 0.5) / 96
    event = inverse_cdf(row.softmax(-1).expand(len(u), -1), u)
    start = torch.where(event > 0, end[(event - 1).clamp(min=0)], 0.0)
    assert (start - 1e-7 <= u).all() and (u <= end[event] + 1e-7).all()


@pytest.mark.parametrize("events", [1, 2, 3, 64, 100, 128, 1000, 4096])
def test_what_has_no_mass_is_never_drawn(events):
    """Not even at the ends of rows and blocks, and for the first and the last number there is."""
    last = np.nextafter(1.0, 0.0)
    u = torch.tensor([0.0, last, 0.5, np.nextafter(0.5, 0.0), np.nextafter(0.5, 1.0), 1e-300])
    for seed in range(10):
        g = torch.Generator().manual_seed(seed)
        some = torch.rand(events, generator=g) < 0.1
        some[int(torch.randint(events, (), generator=g))] = True
        mass = torch.where(some, torch.rand(events, generator=g) + 1e-6, 0.0)
        event = inverse_cdf(mass.expand(len(u), -1), u.double())
        assert some[event].all()
        assert event[0] == some.nonzero()[0] and event[1] == some.nonzero()[-1]


def test_an_event_as_rare_as_float32_allows_can_be_drawn():
    mass = torch.tensor([[1.0, 0.0, 1e-30, 0.0]])
    assert inverse_cdf(mass, torch.tensor([0.0], dtype=torch.float64)) == 0
    assert inverse_cdf(mass.flip(1), torch.tensor([0.0], dtype=torch.float64)) == 1


@pytest.mark.parametrize("events", [7, 1000, 5000])
@pytest.mark.parametrize("sampling", FILTERS)
def test_filters_are_those_of_transformers(events, sampling):
    """A recipe's top_p would mean another thing here than everywhere else."""
    for spread in (0.01, 0.5, 3.0):  # the flattest keep more than the sorted candidates
        scores = logits(events, spread, rows=5)
        ours = filtered(scores / sampling.temperature, sampling.top_k, sampling.top_p)
        theirs = warped(scores, sampling)
        assert ours.isfinite().equal(theirs.isfinite())
        torch.testing.assert_close(ours, theirs)


def test_what_ties_with_the_last_of_top_k_stays():
    scores = torch.tensor([[3.0, 1.0, 2.0, 2.0, 0.0]])
    assert filtered(scores, 2, 1.0).equal(warped(scores, Sampling(top_k=2)))
    assert filtered(scores, 2, 1.0).isfinite().tolist() == [[True, False, True, True, False]]


@pytest.mark.parametrize("sampling", [*FILTERS, Sampling(temperature=0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_probs_are_those_of_the_logits_as_they_came(sampling, dtype):
    rows = logits(500, 3.0, rows=40).to(dtype)
    before = rows.clone()
    tokens, log_probs = sample(rows, uniforms(40), sampling)
    expected = rows.double().log_softmax(-1).gather(1, tokens[:, None]).squeeze(1)
    torch.testing.assert_close(log_probs.double(), expected, rtol=1e-5, atol=1e-5)
    assert log_probs.dtype == torch.float32 and rows.equal(before)


def test_greedy_takes_the_largest():
    rows = logits(500, 3.0, rows=40)
    tokens, _ = sample(rows, uniforms(40), Sampling(temperature=0.0))
    assert tokens.equal(rows.argmax(-1))


@pytest.mark.parametrize("sampling", [*FILTERS, Sampling(temperature=0.0)])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, None])
def test_what_is_no_distribution_is_seen_in_the_log_probs(sampling, bad):
    """Garbage would be sampled, and trained on. The other rows are as they were."""
    rows = logits(300, 2.0, rows=3)
    good, good_log_probs = sample(rows, uniforms(3), sampling)
    if bad is None:
        rows[1] = -torch.inf
    else:
        rows[1, 7] = bad
    tokens, log_probs = sample(rows, uniforms(3), sampling)
    assert log_probs.isfinite().tolist() == [True, False, True]
    assert tokens[[0, 2]].equal(good[[0, 2]]) and 0 <= tokens[1] < 300
    assert log_probs[[0, 2]].equal(good_log_probs[[0, 2]])
