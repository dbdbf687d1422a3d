"""The same client against a server that is nobody's double: ``transformers serve``."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")),
        reason="transformers serve needs fastapi and uvicorn",
    ),
]


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from transformers.cli.transformers import main; main()"
    words = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = tmp_path_factory.mktemp("log") / "serve.txt"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("w") as stream:
        child = subprocess.Popen(
            [sys.executable, "-c", start, *words],
            stdout=stream,
            stderr=stream,
            env=environment,
        )
    try:
        for _ in range(600):
            assert child.poll() is None, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=20)


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
