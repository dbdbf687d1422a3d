"""The decoding loop: what ``generate`` would write, and nothing left behind in the model."""

import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from limbeck.engines import Sampling, fallback
from limbeck.engines.decode import can_decode, decode
from limbeck.engines.forward import left_padded
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError

from .families import CONFIGS, DYNAMIC, OTHERS, build

PAD, EOS = 0, 1
LENGTHS = (2, 7, 1, 4, 12, 3, 3, 9)


def prompts(lengths=LENGTHS, vocabulary=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(2, vocabulary, (n,), generator=g).tolist() for n in lengths]


def generated(model, batch, limit, ends=()):
    """What transformers writes, greedily; cut behind the first end."""
    ids, mask = left_padded(batch, PAD)
    model.generation_config = GenerationConfig()
    config = GenerationConfig(
        max_new_tokens=limit, do_sample=False, pad_token_id=PAD, eos_token_id=list(ends) or None
    )
    out = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    return [cut(row, ends) for row in out[:, ids.shape[1] :].tolist()]


def cut(tokens, ends):
    stop = next((i + 1 for i, t in enumerate(tokens) if t in ends), len(tokens))
    return tuple(tokens[:stop])


def written(model, batch, sampling, ends=(), seed=0, **settings):
    done = TransformersEngine(model, PAD, ends, **settings).generate(batch, sampling, seed)
    return [c.tokens for c in done]


@pytest.mark.parametrize("lengths", [LENGTHS, (5, 5, 5)], ids=["ragged", "even"])
@pytest.mark.parametrize("family", CONFIGS)
def test_greedy_writes_what_generate_writes(family, lengths):
    """The student's text would come from another model than the one that is trained."""
    model = build(CONFIGS[family])
    assert can_decode(model)
    batch = prompts(lengths)
    ours = written(model, batch, Sampling(16, 0.0, batch_size=len(batch)))
    assert ours == generated(model, batch, 16)
    assert len(set(ours)) == len(batch)


@pytest.mark.parametrize("name", ["stories260K", "babyllama105", "tinystories656K"])
def test_real_models_write_what_generate_writes(name):
    folder = Path(os.environ.get("LIMBECK_DATA") or "/nowhere") / "_models" / name
    if not folder.is_dir():
        pytest.skip("LIMBECK_DATA names no folder with models")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    batch = prompts((3, 17, 8, 5), vocabulary=min(model.config.vocab_size, 400))
    assert can_decode(model)
    assert written(model, batch, Sampling(40, 0.0)) == generated(model, batch, 40)


@pytest.mark.parametrize("family", CONFIGS)
def test_rows_that_have_ended_leave_the_batch(family):
    """The others go on as if nothing had happened, and no work is done for those that are out."""
    model = build(CONFIGS[family])
    batch = prompts()
    free = generated(model, batch, 16)
    ends = {row[2 * i] for i, row in enumerate(free[:4])}  # one ends at once, the next later ...
    sizes = []
    hook = model.register_forward_hook(
        lambda m, a, k, out: sizes.append(len(out.logits)), with_kwargs=True
    )
    ours = written(model, batch, Sampling(16, 0.0), ends)
    hook.remove()
    expected = [cut(row, ends) for row in free]
    assert ours == expected
    assert sizes == [
        sum(len(row) > step for row in expected) for step in range(max(map(len, expected)))
    ]
    assert sizes[0] > sizes[-1]


@pytest.mark.parametrize("family", OTHERS)
def test_what_the_loop_does_not_know_is_left_to_generate(family):
    model = build(OTHERS[family])
    assert not can_decode(model)
    batch = prompts((4, 4, 4))
    assert written(model, batch, Sampling(6, 0.0)) == generated(model, batch, 6)
    sampled = [written(model, batch, Sampling(6), seed=s) for s in (0, 0, 1)]
    assert sampled[0] == sampled[1] != sampled[2]


@pytest.mark.parametrize("sampling", [Sampling(8, 0.0), Sampling(8), Sampling(8, 0.7, 0.8, 5)])
def test_both_ways_agree_on_log_probs(sampling):
    """A checkpoint's importance weights would change with the way its text was written."""
    model, batch = build(CONFIGS["llama"]), prompts()
    with fallback.seeded(0, model):
        tokens, log_probs = fallback.generate(model, batch, sampling, PAD, (), 30)
    for prompt, row, theirs in zip(batch, tokens, log_probs, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + row])).logits[0, len(prompt) - 1 : -1]
        ours = logits[:, :30].log_softmax(-1).gather(1, torch.tensor(row)[:, None]).squeeze(1)
        torch.testing.assert_close(torch.tensor(theirs), ours, rtol=1e-4, atol=1e-4)
        assert max(row) < 30


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_sample_does_not_depend_on_its_batch(batch_size):
    """A recipe with another batch size would be another experiment."""
    model, batch = build(CONFIGS["qwen2"]), prompts()
    whole = written(model, batch, Sampling(10, batch_size=8), {EOS}, seed=3)
    assert written(model, batch, Sampling(10, batch_size=batch_size), {EOS}, seed=3) == whole
    # ... nor on how long the texts of the others are.
    longer = [p if i else p * 9 for i, p in enumerate(batch)]
    assert written(model, longer, Sampling(10), {EOS}, seed=3)[1:] == whole[1:]


def test_equal_prompts_get_different_samples():
    model = build(CONFIGS["llama"])
    assert len(set(written(model, [[4, 5]] * 50, Sampling(8)))) > 10


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_weights_that_have_diverged_are_told(temperature):
    """The run would train on garbage, or die in an index of an embedding."""
    model = build(CONFIGS["llama"])
    with torch.no_grad():
        model.lm_head.weight[5, 0] = torch.nan
    with pytest.raises(LimbeckError, match="NaN") as told:
        written(model, prompts(), Sampling(4, temperature))
    assert "Llama" in told.value.where and "token 1" in told.value.where
    assert "learning rate" in told.value.mend


@pytest.mark.parametrize("config", [DYNAMIC, CONFIGS["gemma2, capped and sliding"]])
def test_training_goes_on_after_generation(config):
    """A buffer that generation renewed would be no tensor that training can use."""

    def trained(generate):
        model = build(config).train()
        model.gradient_checkpointing_enable()
        model.model.layers[1].eval()  # a part that its owner keeps out of training
        if generate:
            written(model, prompts(), Sampling(12))
            assert not any(b.is_inference() for b in model.buffers())
        assert model.training and not model.model.layers[1].training
        assert model.model.layers[0].mlp.training and not model.model.layers[1].mlp.training
        ids = torch.tensor(prompts((6, 6)))
        model(input_ids=ids, labels=ids).loss.backward()
        return {name: p.grad for name, p in model.named_parameters()}

    with_text, without = trained(True), trained(False)
    for name, gradient in without.items():
        assert with_text[name].equal(gradient), name


def test_a_distributed_model_is_driven_without_its_wrapper():
    """DDP's own forward talks to ranks that may have nothing left to write."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = build(CONFIGS["llama"])
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        wrapped.register_forward_hook(lambda *_: pytest.fail("the wrapper was called"))
        ours = written(wrapped, prompts(), Sampling(6, 0.0))
    finally:
        torch.distributed.destroy_process_group()
    assert ours == generated(model, prompts(), 6)


def test_a_learned_prompt_is_left_to_generate():
    """The loop would not put it in front, and the text would be the base model's."""
    peft = pytest.importorskip("peft")
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    assert not can_decode(peft.get_peft_model(build(CONFIGS["llama"]), config))
    lora = peft.LoraConfig(target_modules=["q_proj"], r=2)
    assert can_decode(peft.get_peft_model(build(CONFIGS["llama"]), lora))


def test_more_tokens_than_the_caches_first_room():
    model = build(CONFIGS["llama"])
    batch = prompts((3, 5))
    ours, _ = decode(model, batch, Sampling(300, 0.0), torch.zeros(2, 300).double(), PAD, ())
    assert [tuple(row) for row in ours] == generated(model, batch, 300)
