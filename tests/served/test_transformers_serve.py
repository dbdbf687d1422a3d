"""The same client against a server that is nobody's double: ``transformers serve``."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data import DataSpec, character_tokenizer, load_examples
from limbeck.engines import Request, Sampling
from limbeck.engines.openai_compatible import OpenAICompatible
from limbeck.engines.transformers import TransformersEngine
from limbeck.run.distill import check
from run.tiny import DATA, MODEL, request, work, write
from served.test_run import SHORT
from served.transformers_server import needs_server, served_by_transformers

pytestmark = [pytest.mark.slow, needs_server]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "model"
    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    settings = {k: v for k, v in MODEL.items() if k != "model_type"}
    config = LlamaConfig(**settings, vocab_size=len(tokenizer), **ids, pad_token_id=0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    with served_by_transformers(model, tmp_path_factory.mktemp("log")) as url:
        yield url


def test_greedy_answers_are_those_of_the_model_itself(url, model):
    """Sampling settings that a server ignores, or a template where none belongs, would show here."""
    tokenizer = character_tokenizer()
    itself = LlamaForCausalLM.from_pretrained(model)
    prompts = [e.prompt for e in load_examples(DataSpec(**DATA)).test[:4]]
    engine = OpenAICompatible(url, 60.0)
    sampling = Sampling(max_new_tokens=8, temperature=0.0)
    ids = [tokenizer(p)["input_ids"] for p in prompts]
    own = TransformersEngine(itself, 0, [tokenizer.eos_token_id]).generate(ids, sampling, 0)
    for prompt, completion in zip(prompts, own, strict=True):
        found = engine.answer(Request(str(model), prompt, 8, 0.0, 1.0))
        assert found.text == tokenizer.decode(completion.tokens, skip_special_tokens=True)
        assert found.tokens_out == len(completion.tokens)
        assert found.finished == completion.finished


def test_a_run_with_a_real_server(url, model, tmp_path):
    """An untrained teacher seldom ends by itself; sampled, some short answers do."""
    mapping = request(
        tmp_path / "run",
        **{**SHORT, "method": "seqkd", "teacher": {"server": url, "model": str(model)}},
        generation__max_new_tokens=40,
        generation__temperature=1.0,
    )
    (found,) = [f for f in check(write(tmp_path / "r.yaml", mapping), []) if f.check == "server"]
    assert found.status == "ok" and "does not list" in found.what
    results = work(mapping).results
    assert results["text"]["answered_by_teacher"] == 96 and results["text"]["finished"] > 0
    costs = results["costs"]["teacher"]
    assert costs["answers"] == 96 + 12 and costs["tokens_in"] > costs["answers"]
    assert results["evaluation"]["metrics"]["teacher"]["accuracy"]["n"] == 12
