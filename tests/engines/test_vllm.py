"""The adapter to vLLM: the ids, ends and log-probabilities of the model, through its interface."""

import sys

import pytest
import torch

from limbeck.engines import Completion, Sampling
from limbeck.engines.transformers import TransformersEngine
from limbeck.engines.vllm import VLLMEngine
from limbeck.errors import LimbeckError, RequestError

from . import fake_vllm
from .families import CONFIGS, build
from .test_decode import EOS, PAD, prompts

PROMPTS = prompts()
GREEDY = Sampling(10, 0.0)


@pytest.fixture
def started(monkeypatch):
    return fake_vllm.install(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = build(CONFIGS["llama"])
    model.generation_config.eos_token_id = [7, 11]  # none of ours
    model.generation_config.repetition_penalty = 1.5
    model.save_pretrained(folder)
    return folder


def engine(folder, **changes):
    return VLLMEngine(str(folder), **{"eos": {EOS}, "vocabulary": 32, "dtype": "float32"} | changes)


def own():
    return TransformersEngine(build(CONFIGS["llama"]), PAD, {EOS})


def test_greedy_is_what_transformers_writes(started, folder):
    """With our ends, and not with those or the penalty of the model's folder."""
    for ends in ({EOS}, set(range(1, 9))):
        found = engine(folder, eos=ends).generate(PROMPTS, GREEDY, 0)
        theirs = TransformersEngine(build(CONFIGS["llama"]), PAD, ends)
        expected = theirs.generate(PROMPTS, GREEDY, 0)
        assert [(c.tokens, c.finished) for c in found] == [(c.tokens, c.finished) for c in expected]
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(
                torch.tensor(a.log_probs), torch.tensor(b.log_probs), rtol=1e-4, atol=1e-4
            )
    assert any(c.finished for c in found) and len({c.tokens for c in found}) > 4


@pytest.mark.parametrize("sampling", [Sampling(8), Sampling(8, 0.5), Sampling(8, 1.0, 0.7, 5)])
def test_log_probs_are_those_of_the_model_itself(started, folder, sampling):
    """Tempered or filtered ones would be importance weights of another distribution."""
    done = engine(folder).generate(PROMPTS, sampling, 3)
    scored = own().score([(p, c.tokens) for p, c in zip(PROMPTS, done, strict=True)])
    for c, expected in zip(done, scored, strict=True):
        torch.testing.assert_close(
            torch.tensor(c.log_probs), torch.tensor(expected), rtol=1e-4, atol=1e-4
        )
    (call,) = started[0].calls
    assert {(s.temperature, s.top_p, s.top_k) for _, s in call} == {
        (sampling.temperature, sampling.top_p, sampling.top_k or -1)
    }


def test_seeds(started, folder):
    writer = engine(folder)
    together = writer.generate(PROMPTS, Sampling(8), range(40, 48))
    alone = [writer.generate([p], Sampling(8), [40 + i])[0] for i, p in enumerate(PROMPTS)]
    assert together == alone
    same = writer.generate([PROMPTS[0]] * 12, Sampling(8), 5)
    assert len({c.tokens for c in same}) > 8  # of one seed for all, each prompt gets another
    assert writer.generate([PROMPTS[0]] * 12, Sampling(8), 5) == same
    assert writer.generate([PROMPTS[0]] * 12, Sampling(8), 6) != same


def test_scores_are_the_models_own(started, folder):
    pairs = list(zip(PROMPTS, prompts((3, 5, 1, 6, 2, 5, 4, 0), seed=5), strict=True))
    found = engine(folder).score(pairs)
    for a, b in zip(found, own().score(pairs), strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-4, atol=1e-4)
    assert engine(folder).score([]) == [] == engine(folder).generate([], GREEDY, 0)


def test_what_it_is_and_what_it_is_not(started, folder):
    writer = engine(folder, context=40)
    able = writer.capabilities
    assert able.log_probs and able.seed and able.context == 40
    with pytest.raises(RequestError, match="beams"):
        writer.generate(PROMPTS, Sampling(8, num_beams=2), 0)
    with pytest.raises(LimbeckError, match="its tokenizer has 3"):
        engine(folder, vocabulary=3).generate(PROMPTS, GREEDY, 0)
    writer.close()
    assert started[0].closed
    assert isinstance(engine(folder).generate(PROMPTS[:1], GREEDY, 0)[0], Completion)


def test_without_vllm(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(RequestError) as error:
        engine(folder)
    assert "pip install vllm" in error.value.mend and "server" in error.value.mend
