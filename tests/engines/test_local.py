"""A model in this process, asked as a server is: the same store, the same resume, the same words."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from limbeck.data import Message, character_tokenizer
from limbeck.engines import Capabilities, Completion, Request, Sampling
from limbeck.engines.local import InProcess
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError
from limbeck.sources import Store, ask_all

TURNS = (Message("system", "Be brief."), Message("user", "1+1"))
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def request(text, **changes):
    how = {"max_new_tokens": 6, "temperature": 1.0, "top_p": 1.0} | changes
    return Request("teacher", text, **how)


REQUESTS = [request(f"{i}+{i * 7}={'1' * (i % 5)}", seed=3) for i in range(23)]


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer()


@pytest.fixture(scope="module")
def engine(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config).eval()
    ends = [tokenizer.eos_token_id]
    return TransformersEngine(model, pad_id(tokenizer), ends, len(tokenizer))


class Watched:
    """Notes what an engine is asked, and in which thread."""

    def __init__(self, engine, fail_at=None):
        self.engine, self.fail_at = engine, fail_at
        self.batches, self.threads = [], set()

    @property
    def capabilities(self):
        return self.engine.capabilities

    def generate(self, prompts, sampling, seed):
        self.batches.append((len(prompts), sampling))
        self.threads.add(threading.current_thread())
        if len(self.batches) == self.fail_at:
            raise RuntimeError("out of memory")
        return self.engine.generate(prompts, sampling, seed)


def ask(path, engine, tokenizer, requests, batch_size=8):
    with Store(path) as store:
        return ask_all(
            store,
            lambda: InProcess(lambda: engine, tokenizer, batch_size),
            requests,
            where="teacher",
            what="test",
            concurrency=batch_size,
        )


def test_answers_are_the_engines_own(engine, tokenizer, tmp_path):
    """Each as if it had been asked alone, with its own seed."""
    watched = Watched(engine)
    found = ask(tmp_path / "a", watched, tokenizer, REQUESTS)
    for r, response in zip(REQUESTS, found, strict=True):
        ids = tokenizer(r.prompt)["input_ids"]
        (alone,) = engine.generate([ids], Sampling(6), [r.own_seed])
        assert response.text == tokenizer.decode(alone.tokens, skip_special_tokens=True)
        assert response.finished == alone.finished
        assert response.finish_reason == ("stop" if alone.finished else "length")
        assert (response.tokens_in, response.tokens_out) == (len(ids), len(alone.tokens))
    assert len({r.text for r in found}) > 15
    assert [n for n, _ in watched.batches] == [8, 8, 7]  # all that wait, not one by one
    assert len(watched.threads) == 1 and threading.main_thread() not in watched.threads


def test_an_interruption_changes_no_answer(engine, tokenizer, tmp_path):
    """It goes on at the first request without an answer, in other batches, with the same texts."""
    whole = ask(tmp_path / "whole", engine, tokenizer, REQUESTS)
    with pytest.raises(RuntimeError, match="out of memory"):  # as it is: no attempt would help
        ask(tmp_path / "a", Watched(engine, fail_at=3), tokenizer, REQUESTS, batch_size=5)
    with Store(tmp_path / "a") as store:
        assert store.spent().answers == 10
    again = Watched(engine)
    assert ask(tmp_path / "a", again, tokenizer, REQUESTS, batch_size=4) == whole
    assert sum(n for n, _ in again.batches) == 13
    nobody = Watched(engine)
    assert ask(tmp_path / "a", nobody, tokenizer, REQUESTS) == whole and not nobody.batches


def test_unlike_requests_go_into_unlike_batches(engine, tokenizer, tmp_path):
    mixed = [
        request(f"{i}", temperature=t, top_p=p, max_new_tokens=n)
        for i in range(3)
        for t, p, n in ((0.0, 1.0, 6), (0.7, 1.0, 6), (1.0, 0.9, 6), (1.0, 1.0, 2))
    ]
    watched = Watched(engine)
    found = ask(tmp_path / "a", watched, tokenizer, mixed, batch_size=12)
    assert sorted(n for n, _ in watched.batches) == [3] * 4
    sampled = {(s.temperature, s.top_p, s.max_new_tokens) for _, s in watched.batches}
    assert sampled == {(0.0, 1.0, 6), (0.7, 1.0, 6), (1.0, 0.9, 6), (1.0, 1.0, 2)}
    assert all(r.tokens_out <= q.max_new_tokens for q, r in zip(mixed, found, strict=True))
    assert max(r.tokens_out for r in found) > 2


def test_a_conversation_is_written_with_the_template():
    own = character_tokenizer()
    own.chat_template = None
    local = InProcess(lambda: None, own, 4)
    plain = local.ids(request(TURNS))
    assert own.decode(plain) == own.decode(own("Be brief.\n\n1+1")["input_ids"])
    own.chat_template = TEMPLATE
    written = local.ids(request(TURNS))
    text = "system: Be brief.\nuser: 1+1\nassistant: "
    assert written == tuple(own(text, add_special_tokens=False)["input_ids"])
    assert local.ids(request("1+1")) == tuple(own("1+1")["input_ids"])


def test_a_prompt_beyond_the_context_is_refused(engine, tokenizer, tmp_path):
    """Learned positions end there, and rotary ones have never been trained beyond."""
    fits = request("1" * (32 - len(tokenizer("")["input_ids"]) - 2))
    (found,) = ask(tmp_path / "a", engine, tokenizer, [fits])
    assert found.tokens_in == 30 and found.tokens_out <= 2
    with pytest.raises(LimbeckError) as error:
        ask(tmp_path / "a", engine, tokenizer, [request("1" * 40 + "9+9")])
    assert "32" in error.value.what and "9+9" in error.value.where


def test_no_answer_is_waited_for_in_vain():
    """A caller that leaves in the middle leaves nothing behind."""

    class Slow:
        capabilities = Capabilities(log_probs=False, seed=True)
        begun, go = threading.Event(), threading.Event()

        def generate(self, prompts, sampling, seed):
            self.begun.set()
            assert self.go.wait(10)
            return [Completion((5,)) for _ in prompts]

    slow = Slow()

    async def leave():
        async with InProcess(lambda: slow, character_tokenizer(), 4).open() as ask:
            first = asyncio.create_task(ask(request("a")))
            await asyncio.to_thread(slow.begun.wait, 10)
            first.cancel()
            second = asyncio.create_task(ask(request("b")))
            slow.go.set()
            return await second

    before = threading.active_count()
    assert asyncio.run(leave()).tokens_out == 1
    assert threading.active_count() <= before


def test_a_real_model_tells_its_story(tmp_path):
    folder = Path(os.environ.get("LIMBECK_DATA") or "/nowhere") / "_models" / "stories260K"
    if not folder.is_dir():
        pytest.skip("LIMBECK_DATA names no folder with models")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    engine = TransformersEngine(model, pad_id(tokenizer), [tokenizer.eos_token_id], len(tokenizer))
    requests = [
        request("Once upon a time", max_new_tokens=20, temperature=t, nth=n)
        for t, n in ((0.0, 0), (1.0, 0), (1.0, 1))
    ]
    greedy, one, other = ask(tmp_path / "a", engine, tokenizer, requests)
    ids = tokenizer("Once upon a time", return_tensors="pt")
    theirs = model.generate(**ids, max_new_tokens=20, do_sample=False)[0, ids.input_ids.shape[1] :]
    assert greedy.text == tokenizer.decode(theirs, skip_special_tokens=True)
    assert len({greedy.text, one.text, other.text}) == 3
