"""Log-probabilities from a server: the same cache as from the model itself, and a training with it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from caching.tiny import TEACHER
from limbeck.caching import Cache
from limbeck.data import character_tokenizer
from limbeck.engines.likeliest import Likeliest, of_completion, of_text, shown_in
from limbeck.errors import LimbeckError, RequestError
from run.tiny import invoke, request, work, write
from served.scoring import Scoring

K = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The teacher as a folder, which a server and this process may load."""
    folder = tmp_path_factory.mktemp("teacher")
    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    settings = {k: v for k, v in TEACHER["config"].items() if k != "model_type"}
    config = LlamaConfig(**settings, vocab_size=len(tokenizer), **ids, pad_token_id=0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.fixture
def server(model):
    with Scoring(model, character_tokenizer()) as server:
        yield server


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("LIMBECK_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def recipe(server, output="run", **changes):
    teacher = {"server": server.url, "model": "teacher", **changes.pop("teacher", {})}
    changes = {"data__rows": 24, "data__test_rows": 6, "data__validation_rows": 4} | changes
    changes = {"training__max_steps": 4, "training__logging_steps": 1} | changes
    return request(output, teacher=teacher, **changes)


def cached(server, *options, code=0, **changes):
    """``limbeck cache`` on the recipe; what it said."""
    path = write(Path("r.yaml"), recipe(server, **changes))
    done = invoke("cache", path, "-o", "c", *options)
    assert done.exit_code == code, done.output
    return done.output


# The client


def test_it_shows_what_the_model_computes(server, model):
    """A position too early or too late would teach the neighbour's distribution."""
    engine, prompt, completion = Likeliest(server.url, 30.0), [1, 9, 12], [20, 33, 8, 2]
    ids, log_p = shown_in(engine.answer(of_completion("teacher", prompt, completion, K)))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0, 2:-1]
    top = logits.log_softmax(-1).topk(K)
    assert ids.tolist() == top.indices.tolist()
    assert np.allclose(log_p, top.values.numpy(), atol=1e-5)


def test_it_says_how_a_server_reads_a_text(server):
    ids, _ = shown_in(Likeliest(server.url, 30.0).answer(of_text("teacher", "1+1=2")))
    assert ids.ravel().tolist() == character_tokenizer()("1+1=2")["input_ids"][1:]


def test_a_server_without_them_says_nothing_else(model):
    with (
        Scoring(model, character_tokenizer(), offers=False) as server,
        pytest.raises(LimbeckError, match="offers no log-probabilities"),
    ):
        Likeliest(server.url, 30.0).answer(of_completion("teacher", [1], [5], 1))


# The cache


def test_the_cache_is_that_of_the_model_itself(server, folder):
    cached(server, "--encoding", "topk-f32", "--k", K)
    local = write(Path("l.yaml"), recipe(server) | {"teacher": str(folder)})
    assert invoke("cache", local, "-o", "own", "--encoding", "topk-f32", "--k", K).exit_code == 0
    theirs, own = (Cache(Path(name)) for name in ("c", "own"))
    assert len(theirs) == len(own) > 24 and theirs.manifest.tokens == own.manifest.tokens
    for row in range(len(own)):
        assert theirs.text[row] == own.text[row]
        a, b = theirs.columns(row), own.columns(row)
        assert (a["ids"] == b["ids"]).mean() > 0.99  # but for ties
        assert np.abs(a["log_p"] - b["log_p"]).max() < 1e-4
        assert np.abs(np.exp(a["log_rest"]) - np.exp(b["log_rest"])).max() < 1e-5


@pytest.mark.slow
def test_training_from_it_is_training_with_the_teacher(server, folder):
    """With every token kept but one, the same student comes out."""
    server.most = len(character_tokenizer())
    cached(server, "--encoding", "topk-f32", "--k", server.most - 1)
    asked = len(server.bodies)
    served = work(recipe(server, "a", teacher={"cache": "c"}))
    own = work(recipe(server, "b") | {"teacher": str(folder)})
    curves = [run.results["training"]["student"]["curve"] for run in (served, own)]
    losses = [[point["kl"] for point in curve if "kl" in point] for curve in curves]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4) and len(losses[0]) >= 2
    assert served.results["evaluation"]["metrics"]["teacher"]["accuracy"]["n"] == 6
    assert len(server.scored) == sum(
        1 for b in server.bodies[:asked] if isinstance(b["prompt"], list)
    )


def test_text_that_the_server_wrote_is_scored_too(server):
    changes = {
        "method": {"name": "kd", "source": "teacher"},
        "generation": {"max_new_tokens": 24, "temperature": 1.0},
        "data__labelled": 12,
    }
    cached(server, "--k", K, **changes)
    cache = Cache(Path("c"))
    written = [s for s in (cache.text[i] for i in range(len(cache))) if s.author.name == "TEACHER"]
    assert written
    scored = [tuple(b["prompt"]) for b in server.scored]
    assert all((*s.prompt, *s.completion) in scored for s in written)


def test_an_interrupted_cache_pays_for_nothing_twice(server):
    server.fail_after = 12
    said = cached(server, "--k", K, code=1)
    assert "the account is closed" in said
    server.fail_after = None
    server.asked.clear()
    first = {json.dumps(b["prompt"]) for b in server.scored[:12]}
    before = len(server.scored)
    cached(server, "--k", K)
    again = [json.dumps(b["prompt"]) for b in server.scored[before:]]
    probe = 1
    assert len(set(again) & first) <= probe and len(again) == len(set(again))
    whole = len(Cache(Path("c")))
    assert len(first | set(again)) == whole + probe


def test_verify_asks_again(server, model):
    cached(server, "--k", K)
    done = invoke("cache", "r.yaml", "-o", "c", "--k", K, "--verify")
    assert done.exit_code == 0, done.output
    with torch.no_grad():
        kept = model.lm_head.weight.clone()
        model.lm_head.weight.mul_(2.0)
    try:
        done = invoke("cache", "r.yaml", "-o", "c", "--k", K, "--verify")
    finally:
        with torch.no_grad():
            model.lm_head.weight.copy_(kept)
    assert done.exit_code == 1 and "apart" in done.output


def test_a_budget_holds_for_probabilities_too(server):
    said = cached(server, "--k", K, code=1, teacher={"budget": {"tokens": 200}, "concurrency": 2})
    assert "budget" in said
    tokens = sum(len(b["prompt"]) + 1 for b in server.scored[1:])  # the first is the probe
    assert 200 <= tokens < 200 + 3 * 60
    cached(server, "--k", K, teacher={"budget": {"tokens": 100_000}})


# Refused before anything expensive


def test_more_tokens_than_the_server_shows(server):
    said = cached(server, "--k", 30, code=2)
    assert "20 is the most" in said and "--k 20" in said
    assert not Path("c").exists()


class Other:
    """As many ids, in another order."""

    def __init__(self):
        self.own = character_tokenizer()
        self.eos_token_id = self.own.eos_token_id

    def __len__(self):
        return len(self.own)

    def __call__(self, text):
        return {"input_ids": [2 * i % 103 for i in self.own(text)["input_ids"]]}

    def decode(self, ids, **how):
        return self.own.decode(ids, **how)


def test_a_server_that_reads_other_ids(model):
    with Scoring(model, Other()) as server:
        assert "other token ids" in cached(server, "--k", K, code=2)


def test_a_server_that_shows_nothing(model):
    with Scoring(model, character_tokenizer(), offers=False) as server:
        said = cached(server, "--k", K, code=2)
        assert "offers no log-probabilities" in said and "seqkd" in said
        with pytest.raises(RequestError) as error:
            work(recipe(server))
        assert "offers no log-probabilities" in error.value.what and "seqkd" in error.value.mend


def test_a_training_without_a_cache_names_the_command(server):
    with pytest.raises(RequestError) as error:
        work(recipe(server))
    assert "limbeck cache" in error.value.mend and not server.scored[1:]
    assert not Path("run").exists()


def test_other_encodings_and_other_teachers(server):
    assert "likeliest" in cached(server, "--encoding", "hidden", code=2)
    cached(server, "--k", K)
    with pytest.raises(RequestError, match="another teacher"):
        work(recipe(server, teacher={"model": "another", "cache": "c"}))
