"""A seed for each prompt: a sample that does not depend on what else is asked at the time."""

import pytest
import torch

from limbeck.engines import Sampling
from limbeck.engines.transformers import TransformersEngine

from .families import CONFIGS, OTHERS, build
from .test_decode import EOS, PAD, prompts

SAMPLED = Sampling(12, batch_size=3)
SEEDS = list(range(50, 58))


def engine(config):
    return TransformersEngine(build(config), PAD, {EOS})


@pytest.mark.parametrize(
    "config", [CONFIGS["llama"], next(iter(OTHERS.values()))], ids=["decode", "fallback"]
)
def test_a_sample_depends_on_its_own_seed_alone(config):
    """An interrupted run would go on with other texts than it began with."""
    writer, batch = engine(config), prompts()
    together = writer.generate(batch, SAMPLED, SEEDS)
    alone = [
        writer.generate([p], SAMPLED, [s])[0].tokens for p, s in zip(batch, SEEDS, strict=True)
    ]
    assert [c.tokens for c in together] == alone
    backward = writer.generate(batch[::-1], SAMPLED, SEEDS[::-1])
    assert [c.tokens for c in backward] == alone[::-1]
    other = writer.generate(batch, SAMPLED, [s + 1 for s in SEEDS])
    assert [c.tokens for c in other] != alone


def test_the_same_prompt_with_other_seeds_is_another_sample():
    done = engine(CONFIGS["llama"]).generate([[4, 5]] * 20, SAMPLED, range(20))
    assert len({c.tokens for c in done}) > 15
    again = engine(CONFIGS["llama"]).generate([[4, 5]] * 3, SAMPLED, [7, 7, 8])
    assert [c.tokens for c in again] == [done[i].tokens for i in (7, 7, 8)]


def test_seeds_leave_the_trainings_random_numbers():
    for config in (CONFIGS["llama"], next(iter(OTHERS.values()))):
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        engine(config).generate(prompts(), SAMPLED, SEEDS)
        assert torch.rand(4).equal(expected)
