"""The model card must be one that the hub can read, and must give nothing of this machine away."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from limbeck.reports import model_card, write_model_card
from limbeck.reports.card import MARK, fenced, plain
from limbeck.reports.card_data import eval_results, hub_id, metadata, public_name

from .sample import full, least, of_text, standalone

ATTACK = 'a: "b"\n---\n# <script>alert(1)</script> | `x` \x00\ud83d \u202e {{ 7*7 }} - [y](z) *'


def _public() -> dict[str, Any]:
    results = full()
    results["models"]["student"]["license"] = "apache-2.0"
    results["models"]["before"]["source"] = "some-lab/small-1b"
    results["models"]["teacher"]["source"] = "some-lab/large-9b"
    results["recipe"]["student"] = {"model": "some-lab/small-1b"}
    results["recipe"]["teacher"] = {"model": "some-lab/large-9b"}
    results["recipe"]["data"] = {"source": "some-lab/sums"}
    results["data"]["source"] = "some-lab/sums"
    return results


@pytest.mark.parametrize(
    "results",
    [full(), least(), of_text(), standalone(), _public()],
    ids=["full", "least", "text", "audit", "public"],
)
def test_what_the_hub_reads_is_what_was_written(results: dict[str, Any], tmp_path: Path):
    assert write_model_card(results, tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.to_dict() == metadata(results).to_dict()
    assert card.data.eval_results == eval_results(results)
    assert card.data.library_name == "transformers"
    assert "limbeck" in card.data.tags


def test_the_metadata_say_what_is_known():
    data = metadata(_public())
    assert data.license == "apache-2.0"
    assert (data.base_model, data.base_model_relation) == ("some-lab/small-1b", "finetune")
    assert data.datasets == ["some-lab/sums"]
    assert data.tags == ["limbeck", "distillation", "kd"]
    scores = {(r.dataset_type, r.metric_type): r.metric_value for r in data.eval_results}
    assert scores == {
        ("some-lab/sums", "accuracy"): 0.882,
        ("some-lab/sums", "bits_per_byte"): 0.341,
        ("openai/gsm8k", "accuracy"): 0.38,
        ("pubmedqa", "accuracy"): 0.684,
    }


def test_what_is_not_known_is_not_said():
    written = metadata(full()).to_dict()
    assert not {"license", "base_model", "base_model_relation", "datasets"} & written.keys()


def test_new_weights_have_no_base():
    results = _public()
    results["recipe"]["student"]["fresh"] = True
    assert metadata(results).base_model is None


def test_the_card_says_how_good_and_how_made():
    text = model_card(_public())
    for said in (
        "Distillation beat plain fine-tuning",
        "| Student | 394 K | 88.2% | 85.1 to 90.7% |",
        "- Teacher: some-lab/large-9b",
        "- Begun from: some-lab/small-1b",
        "KL(p \\|\\| q)",
        "1,000 optimiser steps",
        "| gsm8k | accuracy | 38.0% |",
        "Not measured: the judge's preference",
        "AutoModelForCausalLM.from_pretrained(name)",
        "limbeck distill recipe.yaml",
    ):
        assert said in text, said


def test_places_of_this_machine_stay_here():
    results = full()
    results["models"]["teacher"]["source"] = "large at http://10.1.2.3:8000/v1"
    results["data"]["source"] = "/srv/secret/rows.jsonl"
    results["recipe"] |= {
        "teacher": {"model": "large", "server": "http://10.1.2.3:8000/v1"},
        "data": {"source": "/srv/secret/rows.jsonl"},
        "output": "runs/secret",
    }
    text = model_card(results)
    assert "10.1.2.3" not in text and "secret" not in text
    assert "rows.jsonl" in text


def test_hostile_names_stay_names(tmp_path: Path):
    results = full()
    results["name"] = results["data"]["source"] = ATTACK
    results["method"] |= {"name": ATTACK, "formula": ATTACK}
    results["models"]["student"] |= {"label": ATTACK, "license": ATTACK}
    results["recipe"]["note"] = f"```\n{ATTACK}"
    results["tasks"] = {ATTACK: results["tasks"]["gsm8k"]}
    write_model_card(results, tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.eval_results == eval_results(results)
    head = (tmp_path / "README.md").read_text(encoding="utf-8").split("\n---\n")[0]
    assert yaml.safe_load(head.removeprefix("---\n"))["library_name"] == "transformers"
    prose = card.text.split("## How to make it again")[0]
    assert "<script>" not in prose and "49" not in prose
    rows = [line for line in prose.splitlines() if line.startswith("|")]
    cells = {line.replace("\\|", "").count("|") for line in rows}
    assert cells == {6, 10}  # the tables of tasks and of scores
    assert "\n````yaml\n" in card.text


def test_a_readme_that_somebody_wrote_is_left_alone(tmp_path: Path):
    path = tmp_path / "README.md"
    path.write_text("# Mine\n", encoding="utf-8")
    assert not write_model_card(full(), tmp_path)
    assert path.read_text(encoding="utf-8") == "# Mine\n"


def test_our_own_is_written_again(tmp_path: Path):
    assert write_model_card(least(), tmp_path)
    assert write_model_card(full(), tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert MARK in text and text == model_card(full())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("some-lab/small-1b", "some-lab/small-1b"),
        ("./some/model", None),
        ("/srv/model", None),
        ("data/rows.jsonl", None),
        ("chain_arithmetic", None),
        ("a/b/c", None),
        ("llama from scratch", None),
        (None, None),
    ],
)
def test_only_names_of_the_hub_are_taken_for_such(source: str | None, found: str | None):
    assert hub_id(source) == found


def test_a_folder_with_such_a_name_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    assert hub_id("runs/demo") == "runs/demo"
    monkeypatch.chdir(tmp_path)
    assert hub_id("runs/demo") is None


def test_words_for_others():
    assert public_name("/srv/x/model, fine-tuned here") == "model, fine-tuned here"
    assert public_name("large at http://h:1/v1") == "large, behind a server"
    assert plain("a|b\n<c> *d*") == "a\\|b &lt;c&gt; \\*d\\*"
    assert fenced("x ``` y") == "````\nx ``` y\n````"
