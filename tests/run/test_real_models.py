"""Models that nobody here trained, where a copy of them is at hand."""

import copy
import math
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from limbeck.data import load_examples
from limbeck.models import kept_layers, load_model, load_tokenizer
from limbeck.recipe import ModelSpec, load_recipe
from run.tiny import request, work

TEACHER = "stories260K"


@pytest.fixture(scope="session")
def real():
    """The folder with real models and data."""
    folder = Path(os.environ.get("LIMBECK_DATA") or "/nowhere")
    if not (folder / "_models" / TEACHER).is_dir():
        pytest.skip("LIMBECK_DATA names no folder with models")
    return folder


def recipe(real, output, student, **changes):
    teacher = str(real / "_models" / TEACHER)
    settings = {
        "student": {"model": teacher, **student},
        "teacher": teacher,
        "data": {
            "source": str(real / "tinystories" / "tinystories.train.jsonl"),
            "test": str(real / "tinystories" / "tinystories.valid.jsonl"),
            "columns": {"text": "text"},
            "rows": 64,
            "max_length": 64,
        },
        "evaluate": {"max_items": 24},
        "training__max_steps": 6,
    }
    return request(output, **settings | changes)


@pytest.mark.parametrize(
    "student",
    [
        {"layers": "every_second"},
        {"fresh": True, "config": {"num_hidden_layers": 2}},
    ],
    ids=["every-second-layer", "fresh"],
)
def test_a_real_pair(real, tmp_path, student):
    run = work(recipe(real, tmp_path / "run", student, baseline="sft"))
    metrics = run.results["evaluation"]["metrics"]
    assert run.results["evaluation"]["items"] == 24
    trained = AutoModelForCausalLM.from_pretrained(run.student)
    assert trained.config.num_hidden_layers == len(trained.model.layers) == 2
    bits = {arm: metrics[arm]["bits_per_byte"]["value"] for arm in metrics}
    assert bits["teacher"] < bits["student"] < bits["before"]
    assert run.results["audit"]["tokens"]["student"]["data"]["kl_teacher_student"]["value"] > 0
    # The numbers are those of plain transformers.
    tokenizer = AutoTokenizer.from_pretrained(run.student)
    own = _bits_per_byte(trained, tokenizer, _texts(run, 5), 64)
    rows = pq.read_table(run.path / "items" / "student.parquet").to_pylist()[:5]
    theirs = sum(r["nats"] for r in rows) / math.log(2) / sum(r["bytes"] for r in rows)
    assert own == pytest.approx(theirs, rel=1e-4)


@pytest.mark.slow
def test_the_teacher_is_as_good_as_it_is_said_to_be(real, tmp_path):
    """1.0911 bits per byte on held-out TinyStories, as its data sheet says."""
    mapping = recipe(
        real,
        tmp_path / "run",
        {"layers": "every_second"},
        data__max_length=512,
        evaluate={"max_items": 101},
        training__max_steps=1,
    )
    bits = work(mapping).results["evaluation"]["metrics"]["teacher"]["bits_per_byte"]["value"]
    print(f"{bits:.4f} bits per byte")
    assert bits == pytest.approx(1.0911, abs=0.03)


def test_kept_layers_are_the_teachers(real):
    """The pruned model computes what the same layers compute, taken out by hand."""
    folder = str(real / "_models" / TEACHER)
    spec = ModelSpec(model=folder, layers=[0, 2, 4])
    tokenizer = load_tokenizer(spec, "student")
    pruned = load_model(spec, "student", tokenizer, 0, "float32").eval()
    by_hand = AutoModelForCausalLM.from_pretrained(folder).eval()
    by_hand.model.layers = nn.ModuleList(copy.deepcopy(by_hand.model.layers[i]) for i in (0, 2, 4))
    ids = tokenizer("Once upon a time, there was a", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        hidden = by_hand.model.embed_tokens(ids)
        places = torch.arange(ids.shape[1])[None]
        angles = by_hand.model.rotary_emb(hidden, places)
        mask = torch.full((ids.shape[1],) * 2, float("-inf")).triu(1)[None, None]
        for layer in by_hand.model.layers:
            out = layer(hidden, attention_mask=mask, position_embeddings=angles)
            hidden = out if isinstance(out, torch.Tensor) else out[0]
        expected = by_hand.lm_head(by_hand.model.norm(hidden))
        torch.testing.assert_close(pruned(ids).logits, expected, atol=1e-4, rtol=1e-4)
        # The key-value cache is addressed by layer number, which has to be counted anew.
        assert [layer.self_attn.layer_idx for layer in pruned.model.layers] == [0, 1, 2]
        step = pruned(ids[:, :-1], use_cache=True)
        last = pruned(ids[:, -1:], past_key_values=step.past_key_values).logits[:, -1]
        torch.testing.assert_close(last, expected[:, -1], atol=1e-4, rtol=1e-4)


def test_all_layers_kept_is_the_model_itself(real):
    folder = str(real / "_models" / TEACHER)
    spec = ModelSpec(model=folder, layers=[0, 1, 2, 3, 4])
    tokenizer = load_tokenizer(spec, "student")
    ids = tokenizer("Tom had a red ball.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        whole = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
        kept = load_model(spec, "student", tokenizer, 0, "float32")(ids).logits
    torch.testing.assert_close(kept, whole)


@pytest.mark.parametrize(
    ("total", "kept"), [(1, [0]), (2, [0]), (4, [0, 3]), (5, [0, 4]), (8, [0, 2, 5, 7])]
)
def test_every_second_layer(total, kept):
    found = kept_layers(ModelSpec(model="x", layers="every_second"), total, "student")
    assert found == kept and found[0] == 0 and len(found) == max(1, total // 2)


@pytest.mark.slow
def test_kd_beats_sft_on_a_real_pair(real, tmp_path):
    """On held-out text, after equally many steps; three seeds stand in benchmarks/."""
    mapping = recipe(
        real,
        tmp_path / "run",
        {"layers": "every_second"},
        baseline="sft",
        data__rows=700,
        data__max_length=256,
        evaluate={"max_items": 101},
        training__max_steps=100,
        training__learning_rate=1e-3,
        training__per_device_train_batch_size=16,
    )
    found = work(mapping).results
    (pair,) = (
        c
        for c in found["comparisons"]
        if (c["a"], c["b"], c["metric"]) == ("student", "sft", "bits_per_byte")
    )
    assert pair["difference"] < 0 and pair["high"] < 0 and pair["p"] < 0.01


def _texts(run, count):
    examples = load_examples(load_recipe(run.path / "recipe.yaml").data).test
    return [e.completion for e in sorted(examples, key=lambda e: e.key)[:count]]


def _bits_per_byte(model, tokenizer, texts, length):
    nats = size = 0.0
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id][:length]])
        with torch.no_grad():
            logits = model.eval()(ids).logits[0, :-1]
        nats += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        size += len(tokenizer.decode(ids[0], skip_special_tokens=True).encode())
    return nats / math.log(2) / size
