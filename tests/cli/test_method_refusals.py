"""Requests that a method cannot fulfil: refused before any model is built, and nothing is written."""

import json

import pytest
import torch
from transformers import PreTrainedModel

from limbeck.data import character_tokenizer
from run.tiny import MODEL, STUDENT, invoke, request, tree, write

from .test_bad_input import said_well

TUNED = {"training": {"max_steps": 4, "use_cpu": True}}
PATH = {**STUDENT, "sft": TUNED, "keep_checkpoints": 2}
NO_VALIDATION = {"data__validation_rows": 0}
ADAPTIVE = {"name": "scd", "adaptive_weight": True}

# name: (changes of the tiny recipe, what must be said)
CASES = {
    "misspelt method": ({"method": "taidd"}, ["no method 'taidd'", "did you mean taid?"]),
    "option of another": (
        {"method": {"name": "taid", "beta": 1}},
        ["no option 'beta'", "gkd", "method.beta"],
    ),
    "out of range": (
        {"method": {"name": "distillm", "alpha": 1}},
        ["alpha must lie in [0, 0.999999], got 1"],
    ),
    "no schedule": (
        {"method": {"name": "gkd", "beta": {"schedule": "liner", "from": 0, "to": 1}}},
        ["no schedule 'liner'", "method.beta.schedule", "did you mean linear?"],
    ),
    "no sense": (
        {"method": {"name": "custom", "divergence": "contrastive"}},
        ["two texts of one prompt", "source: paired"],
    ),
    "no path": ({"method": "cd"}, ["checkpoints", "teacher.keep_checkpoints"]),
    "no fine-tuned student": (
        {"method": ADAPTIVE, "teacher": PATH},
        ["adaptive weights", "method.adaptive_weight", "student.sft"],
    ),
    "no corpus": ({"method": {"name": "minillm", "lm_coef": 1}}, ["plain text", "corpus"]),
    "corpus without a reader": ({"corpus": "chain_arithmetic"}, ["kd reads no plain text"]),
    "beams": (
        {"method": "opd", "generation": {"num_beams": 3}},
        ["beams do not sample", "generation.num_beams"],
    ),
    "nothing to follow": (
        {"method": "distillm", **NO_VALIDATION},
        ["phi follows the validation loss", "data.validation", "method.phi"],
    ),
}


@pytest.fixture
def no_model(tmp_path, monkeypatch):
    """A folder to run in, where building a model is an error, if it has any weights."""
    build = PreTrainedModel.__init__

    def refuse(self, *args, **kwargs):
        assert torch.empty(0).device.type == "meta", "a model is being built"
        build(self, *args, **kwargs)

    monkeypatch.setattr(PreTrainedModel, "__init__", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(folder, changes, words):
    write(folder / "tiny.yaml", request("runs/tiny", **changes))
    before = tree(folder)
    done = invoke("distill", "tiny.yaml")
    said_well(done.exit_code, done.stderr, words)
    assert tree(folder) == before


@pytest.mark.parametrize("name", CASES)
def test_refused(no_model, name):
    refused(no_model, *CASES[name])


def test_the_loader_is_watched(no_model):
    """What is not refused comes to the building of a model."""
    write(no_model / "tiny.yaml", request("runs/tiny"))
    done = invoke("distill", "tiny.yaml")
    assert done.exit_code == 1 and "a model is being built" in done.stderr


def test_a_number_for_the_share_needs_no_validation(no_model):
    changes = {"method": {"name": "distillm", "phi": 0.5}, **NO_VALIDATION}
    write(no_model / "tiny.yaml", request("runs/tiny", **changes))
    done = invoke("doctor", "tiny.yaml")
    assert done.exit_code == 0, done.output


def test_a_folder_with_one_checkpoint(no_model):
    only = no_model / "path" / "checkpoint-5"
    only.mkdir(parents=True)
    (only / "model.safetensors").write_bytes(b"")
    (only / "config.json").write_text("{}")
    changes = {"method": "cd", "teacher": {"checkpoints": "path"}}
    refused(no_model, changes, ["at least two checkpoints, and here is one", "teacher.checkpoints"])


@pytest.mark.parametrize("method", ["gkd", "skd", "minillm", "distillm2", "taid", "dpkd", "custom"])
def test_another_vocabulary(no_model, method):
    """Only what reads the teacher's text, and nothing else of it, works across tokenizers."""
    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(no_model / "other")
    teacher = {"config": MODEL, "tokenizer": "other"}
    words = ["103 ids for the student, 104", "reads text only: seqkd, undo\n"]
    refused(no_model, {"method": method, "teacher": teacher}, words)


@pytest.mark.parametrize("method", ["opd", "skd", "minillm"])
def test_prompts_are_enough(no_model, method):
    changes = {"method": method, "data__labelled": 0, "generation": {"max_new_tokens": 8}}
    write(no_model / "tiny.yaml", request("runs/tiny", **changes))
    done = invoke("doctor", "tiny.yaml")
    assert done.exit_code == 0 and "answer" in done.output, done.output


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}[{{ m.content }}]{% endfor %}", "the teacher '[Hello]'"),
        (None, "no conversations (it has no template)"),
    ],
)
def test_another_chat_template(no_model, template, said):
    """A warning with both renderings: it may be meant so."""
    tokenizer = character_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(no_model / "other")
    turn = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    rows = [{"messages": [{**turn[0], "content": f"{i}"}, turn[1]]} for i in range(60)]
    (no_model / "chats.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changes = {
        "data": {"source": "chats.jsonl", "test": 0.3},
        "teacher": {"config": MODEL, "tokenizer": "other"},
        "evaluate": {},
    }
    write(no_model / "tiny.yaml", request("runs/tiny", **changes))
    done = invoke("doctor", "tiny.yaml")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert "the templates differ" in shown and said in shown
    assert "the student reads '<bos><user>Hello<assistant>'" in shown
