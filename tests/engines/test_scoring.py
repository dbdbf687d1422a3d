"""How likely a completion is: what the model's softmax says, whatever the batch."""

import pytest
import torch

from limbeck.engines import Sampling, Scripted
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError

from .families import CONFIGS, OTHERS, build
from .test_decode import EOS, PAD, prompts

COMPLETIONS = prompts((3, 9, 1, 6, 2, 5, 4, 0), seed=5)
PAIRS = list(zip(prompts(), COMPLETIONS, strict=True))


@torch.no_grad()
def expected(model, prompt, completion, vocabulary=None):
    """One sequence alone, without padding, all logits."""
    ids = torch.tensor([[*prompt, *completion]])
    log_q = model(input_ids=ids).logits[0, len(prompt) - 1 : -1, :vocabulary].log_softmax(-1)
    return [float(row[token]) for row, token in zip(log_q, completion, strict=True)]


@pytest.mark.parametrize("family", [*CONFIGS, *OTHERS])
def test_scores_are_the_models_own(family):
    """A shift by one, padding that is read, or a missing cap would score another model."""
    model = build(CONFIGS[family] if family in CONFIGS else OTHERS[family]).double()
    found = TransformersEngine(model, PAD, {EOS}).score(PAIRS)
    for pair, own in zip(PAIRS, found, strict=True):
        torch.testing.assert_close(
            torch.tensor(own), torch.tensor(expected(model, *pair)), rtol=1e-6, atol=1e-6
        )


def test_batches_and_order_do_not_matter(monkeypatch):
    engine = TransformersEngine(build(CONFIGS["llama"]).double(), PAD, {EOS})
    together = engine.score(PAIRS)
    monkeypatch.setattr("limbeck.engines.scoring._LOGITS", 1)  # each alone
    alone = engine.score(PAIRS[::-1])[::-1]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-9, atol=1e-9)
    assert engine.score([]) == []


def test_what_was_written_is_scored_as_it_was_drawn(llama):
    """With a padded head as well: the padding has no probability."""
    model = llama(5, vocabulary=48, initializer_range=0.1)
    engine = TransformersEngine(model, PAD, {EOS}, vocabulary=32)
    done = engine.generate(prompts(), Sampling(8, batch_size=3), seed=0)
    scored = engine.score([(p, c.tokens) for p, c in zip(prompts(), done, strict=True)])
    for c, own in zip(done, scored, strict=True):
        torch.testing.assert_close(
            torch.tensor(own), torch.tensor(c.log_probs), rtol=1e-4, atol=1e-4
        )
    model.train()
    engine.score(PAIRS)
    assert model.training


def test_engines_say_what_they_can():
    model = build(CONFIGS["llama"])
    able = TransformersEngine(model, PAD, {EOS}).capabilities
    assert able.log_probs and able.seed and able.context == 64
    script = Scripted(lambda p: p)
    assert not script.capabilities.log_probs
    with pytest.raises(LimbeckError, match="no probabilities"):
        script.score(PAIRS)
