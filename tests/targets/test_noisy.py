"""A teacher with noise on its logits: by hand, and whatever the batch."""

import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data import Sequence, collate, supervised
from limbeck.targets import ModelTeacher, NoisyTeacher
from limbeck.targets.noisy import _normal
from run.tiny import MODEL

V = 23
TEXTS = [((1, 2, 3), (4, 5)), ((6,), (7, 8, 9, 10)), ((1, 1), (12,))]


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    settings = {k: v for k, v in MODEL.items() if k != "model_type"}
    return ModelTeacher(LlamaForCausalLM(LlamaConfig(**settings, vocab_size=V)).double(), V)


def shown(teacher, texts, temperature=1.0):
    batch = collate([Sequence(p, c) for p, c in texts], 0)
    target = teacher(batch, supervised(batch["labels"]))
    n = int(supervised(batch["labels"]).sum())
    return target.pair(torch.zeros(n, V, dtype=torch.float64), temperature)[0]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_noise_is_on_the_logits(teacher, temperature):
    """softmax((z + sigma e) / T): from two strengths, e is found again, and is normal."""
    clean = shown(teacher, TEXTS, temperature)
    draws = []
    for sigma in (0.5, 2.0):
        disturbed = shown(NoisyTeacher(teacher, sigma, 0), TEXTS, temperature)
        assert disturbed.exp().sum(-1).allclose(torch.ones(len(clean), dtype=torch.float64))
        e = (disturbed - clean) * temperature / sigma
        draws.append(e - e.mean(-1, keepdim=True))  # a softmax forgets a constant
    assert draws[0].allclose(draws[1], atol=1e-9)
    assert 0.7 < draws[0].std() < 1.3 and not draws[0][0].allclose(draws[0][1])


def test_neither_batch_nor_padding_nor_chunks_change_it(teacher):
    noisy = NoisyTeacher(teacher, 1.0, 0)
    together = shown(noisy, TEXTS)
    alone = torch.cat([shown(noisy, [text]) for text in TEXTS])
    assert together.allclose(alone, atol=1e-9)
    batch = collate([Sequence(p, c) for p, c in TEXTS], 0)
    target = noisy(batch, supervised(batch["labels"]))
    slices = [slice(0, 3), slice(3, 4), slice(4, 7)]
    parts = [
        part.pair(torch.zeros(s.stop - s.start, V, dtype=torch.float64), 1.0)[0].clone()
        for s, part in zip(slices, target.chunks(slices), strict=True)
    ]
    assert torch.cat(parts).allclose(together, atol=1e-9)


def test_another_seed_draws_other_noise(teacher):
    one, other = (shown(NoisyTeacher(teacher, 1.0, seed), TEXTS) for seed in (0, 1))
    assert not one.allclose(other) and one.allclose(shown(NoisyTeacher(teacher, 1.0, 0), TEXTS))


def test_what_it_writes_is_not_disturbed(teacher):
    with NoisyTeacher(teacher, 5.0, 0).active() as model:
        assert model is teacher.model


def test_the_noise_is_normal_and_independent():
    """Each number a hash: no pattern over places, none over seeds that differ by little."""
    seeds = torch.arange(400) * 7 + 2**31
    noise = _normal(seeds, 500).double()
    assert stats.kstest(noise.flatten()[::7].numpy(), "norm").pvalue > 1e-3
    assert noise.mean().abs() < 0.01 and (noise.var() - 1).abs() < 0.02
    for a, b in ((noise[:-1], noise[1:]), (noise[:, :-1], noise[:, 1:])):
        assert (a * b).mean().abs() < 0.01
    assert torch.equal(_normal(seeds[5:6], 500).double(), noise[5:6])
    assert not torch.equal(noise[0], noise[1]) and noise.abs().max() < 6.5
