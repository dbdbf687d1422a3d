"""The adapter of lm-evaluation-harness, on models whose answers are known."""

import importlib.util
import json
import logging
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from evaluation.harness_files import chain, group, written
from limbeck.errors import LimbeckError, RequestError
from limbeck.evaluation.harness import run_harness

pytest.importorskip("lm_eval")

# After "=" it answers 42; after "?" it never ends; after ":" nothing.
LINKS = {"=": "4", "4": "2", "2": "<eos>", "?": "a", "a": "a", ":": "<eos>", " ": "y", "y": "<eos>"}
SUMS = [
    {"question": "6*7=", "answer": "42"},
    {"question": "2+2=", "answer": "4"},
    {"question": "why?", "answer": "42"},
    {"question": "so:", "answer": "42"},
]
WRITES = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [
        {
            "name": name,
            "filter": [{"function": "regex", "regex_pattern": p}, {"function": "take_first"}],
        }
        for name, p in (("strict-match", "#### ([0-9]+)"), ("flexible-extract", "([0-9]+)"))
    ],
}
CHOOSES = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": ["yes", "x"],
    "doc_to_target": "{{answer}}",
    "metric_list": [
        {"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")
    ],
}
CHOICES = [{"question": f"is it {n}", "answer": int(n == 3)} for n in range(4)]


@pytest.fixture
def model(llama):
    return chain(llama, LINKS)


def run(files, model, **wish):
    settings = {"chat": False, "shots": None, "limit": None, "batch_size": 3, "seed": 1} | wish
    return run_harness(files, *model, **settings)


def test_answers_as_rows(model, tmp_path):
    (result,) = run(["harness:" + written(tmp_path, "sums", SUMS, **WRITES)], model)
    rows = result.rows
    assert (result.name, result.main, result.n) == ("sums", "exact_match,flexible-extract", 4)
    assert rows["output"] == ["42", "42", "aaaaaaaa", ""]
    assert rows["prompt"] == [row["question"] for row in SUMS]
    assert rows["gold"] == [json.dumps(row["answer"]) for row in SUMS]
    assert rows["extracted"][:2] == ['"42"', '"42"']
    assert rows["correct"] == [True, False, False, False]
    assert rows["invalid"] == [False, False, True, True]
    assert rows["truncated"] == [False, False, True, False]
    assert len(set(rows["id"])) == 4 and all(i.startswith("sums/") for i in rows["id"])
    values = {name: figure.value for name, figure in result.metrics.items()}
    assert values == {
        "accuracy": 0.25,
        "invalid_rate": 0.5,
        "truncation_rate": 0.25,
        "context_cut_rate": 0,
        "exact_match,strict-match": 0,
        "exact_match,flexible-extract": 0.25,
    }
    accuracy = result.metrics["accuracy"]
    assert accuracy.low < 0.25 < accuracy.high and accuracy.n == 4


def test_ids_of_the_first_items_do_not_depend_on_the_limit(model, tmp_path):
    file = written(tmp_path, "sums", SUMS, **WRITES)
    (whole,), (two,) = run([file], model), run([file], model, limit=2, batch_size=1)
    assert two.n == 2
    assert {name: column[:2] for name, column in whole.rows.items()} == two.rows


def test_choices_as_rows(model, tmp_path):
    (result,) = run([written(tmp_path, "picks", CHOICES, **CHOOSES)], model)
    assert result.main == "acc_norm" and result.rows["gold"] == ["0", "0", "0", "1"]
    sums = [json.loads(output) for output in result.rows["output"]]
    likely = [0 if first / 3 > second else 1 for first, second in sums]
    assert result.rows["extracted"] == [str(n) for n in likely]
    gold = [json.loads(g) for g in result.rows["gold"]]
    assert result.rows["correct"] == [c == g for c, g in zip(likely, gold, strict=True)]
    # "y" follows a space and nothing follows "y": the plain sum has two wrong steps more.
    assert all(second > first for first, second in sums)
    assert result.metrics["acc"].value == 0.25


def test_a_model_of_nans_answers_nothing(model, tmp_path):
    with torch.no_grad():
        model[0].lm_head.weight.fill_(torch.nan)
    (result,) = run([written(tmp_path, "picks", CHOICES, **CHOOSES)], model)
    assert result.metrics["invalid_rate"].value == 1 and result.metrics["accuracy"].value == 0


def test_a_prompt_that_is_too_long_is_told(model, tmp_path):
    rows = [{"question": "1" * 200 + "=", "answer": "42"}, SUMS[0]]
    (result,) = run([written(tmp_path, "long", rows, **WRITES)], model)
    assert result.metrics["context_cut_rate"].value == 0.5 and result.rows["correct"] == [
        True,
        True,
    ]
    rows = [{"question": "b" * 200, "answer": 1}, CHOICES[0]]
    (result,) = run([written(tmp_path, "wide", rows, **CHOOSES)], model)
    assert result.metrics["context_cut_rate"].value == 0.5


def test_worked_examples_and_conversations(model, tmp_path):
    shown = {"fewshot_split": "test", "num_fewshot": 1}
    file = written(tmp_path, "shown", SUMS, **(WRITES | shown))
    (own,), (again,), (other,) = (
        run([file], model, seed=s, shots=n) for s, n in ((1, None), (1, None), (5, 2))
    )
    assert own.rows == again.rows and own.shots == 1 and other.shots == 2
    assert all(p.count("\n\n") == 1 for p in own.rows["prompt"])
    assert all(p.count("\n\n") == 2 for p in other.rows["prompt"])
    (said,) = run([file], model, chat=True, shots=1)
    for row, prompt in zip(SUMS, said.rows["prompt"], strict=True):
        assert prompt.startswith("<bos><user>") and prompt.endswith(f"{row['question']}<assistant>")
        assert prompt.count("<assistant>") == 2


def test_groups_have_a_mean_of_their_tasks(model, tmp_path):
    metrics = {"metric_list": CHOOSES["metric_list"][:1]}
    written(tmp_path, "few", CHOICES[:2], **(CHOOSES | metrics))
    written(tmp_path, "more", [*CHOICES] * 2 + CHOICES[3:], **(CHOOSES | metrics))
    sized = group(tmp_path, "sized", ["few", "more"], weight_by_size=True)
    whole, few, more = run([sized], model)
    assert (whole.name, whole.tasks, whole.n) == ("sized", ("few", "more"), 11)
    assert whole.version == "2" and whole.main == "acc" and not any(whole.rows.values())
    right = sum(few.rows["correct"]) + sum(more.rows["correct"])
    assert whole.metrics["accuracy"].value == pytest.approx(right / 11)
    assert whole.metrics["invalid_rate"].n == 11
    tasks = group(tmp_path, "tasks", ["few", "more"], weight_by_size=False)
    plain = run([tasks], model)[0].metrics["accuracy"]
    parts = [few.metrics["acc"], more.metrics["acc"]]
    assert plain.value == pytest.approx((parts[0].value + parts[1].value) / 2)
    half = sum((part.high - part.low) ** 2 for part in parts) ** 0.5 / 4
    assert plain.high == pytest.approx(min(1, plain.value + half))


def test_figures_over_all_items_have_intervals_too(model, tmp_path):
    wanted = [{"metric": "mcc", "higher_is_better": True, "aggregation": "matthews_corrcoef"}]
    metrics = {"metric_list": [*wanted, *CHOOSES["metric_list"]]}
    rows = [{"question": f"is it {n} {'=:?y'[n % 4]}", "answer": n % 2} for n in range(40)]
    (picks,) = run([written(tmp_path, "picks", rows, **(CHOOSES | metrics))], model)
    mcc = picks.metrics["mcc"]
    assert mcc is None or (mcc.low <= mcc.value <= mcc.high and "resamples" in mcc.note)
    whole = {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}}",
        "metric_list": [
            {"metric": "bits_per_byte", "higher_is_better": False, "aggregation": "bits_per_byte"}
        ],
    }
    (text,) = run([written(tmp_path, "texts", rows, **whole)], model)
    bits = text.metrics["bits_per_byte"]
    assert 0 < bits.low < bits.value < bits.high and bits.n == 40
    assert text.metrics["accuracy"] is None and text.rows["correct"] == [None] * 40


def test_nothing_is_left_changed(model, tmp_path):
    tokenizer = model[1]
    tokenizer.padding_side = "right"
    model[0].train()
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    log = logging.getLogger("lm_eval")
    level = log.level
    run([written(tmp_path, "sums", SUMS, **WRITES)], model)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after and log.level == level and model[0].training
    assert tokenizer.padding_side == "right"


def test_it_is_quiet(model, tmp_path, capfd):
    run([written(tmp_path, "sums", SUMS, **WRITES)], model)
    said = capfd.readouterr()
    assert said.out == ""
    assert all("harness, answers" in line for line in said.err.splitlines() if line), said.err


def test_nothing_of_it_is_imported_before_it_is_needed():
    code = "import sys, limbeck.evaluation.harness as h; print(h.run_harness, 'lm_eval' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.endswith("False\n")


def test_it_may_be_missing(model, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "lm_eval" else real(n, *a)
    )
    with pytest.raises(RequestError) as error:
        run(["harness:mmlu"], model)
    assert 'pip install "limbeck[harness]"' in error.value.mend


def test_names_that_are_refused(model):
    for name, what, mend in (
        ("hellaswagg", "no task, group or tag 'hellaswagg'", "did you mean hellaswag"),
        ("zzzzzzzz", "no task", "lm-eval ls tasks"),
        ("humaneval", "outside any sandbox", "humaneval"),
        ("mbpp_plus", "outside any sandbox", "mbpp"),
        ("cruxeval_input", "outside any sandbox", "leave it out"),
    ):
        with pytest.raises(RequestError) as error:
            run([name], model)
        assert what in error.value.what and mend in error.value.mend


def test_rows_of_the_hub_without_a_network(model, monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    written(tmp_path, "few", CHOICES, **CHOOSES)
    for name in ("harness:arc_easy", group(tmp_path, "mixed", ["few", "arc_easy"])):
        with pytest.raises(LimbeckError) as error:
            run([name], model)
        assert "could not be fetched" in error.value.what and "connection" in error.value.mend


def test_groups_that_are_refused(model, tmp_path):
    with pytest.raises(RequestError, match="humaneval runs what the model writes"):
        run([group(tmp_path, "code", ["humaneval"])], model)
    with pytest.raises(RequestError, match="a part of itself"):
        run([group(tmp_path, "ring", ["ring"])], model)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("prompt: '{question}'\nanswer: a\n", "neither a task nor a group"),
        ("- 1\n", "neither a task nor a group"),
        ("task: [", "cannot be read"),
        ("task: t\noutput_type: nonsense\n", "cannot load"),
        ("task: t\ninclude: none.yaml\n", "none.yaml"),
    ],
)
def test_files_that_are_refused(model, tmp_path, text, what):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LimbeckError) as error:
        run([str(path)], model)
    assert what in error.value.what


def test_requests_that_are_refused(model, tmp_path):
    file = written(tmp_path, "sums", SUMS, **(WRITES | {"num_fewshot": 0}))
    with pytest.raises(RequestError, match="asked for twice"):
        run([file, file], model)
    with pytest.raises(RequestError, match="without worked examples"):
        run([file], model, shots=2)
    with pytest.raises(RequestError, match="cannot be read"):
        run([str(tmp_path / "none.yaml")], model)
    wide = {"generation_kwargs": {"until": [], "max_gen_toks": 128}}
    with pytest.raises(RequestError, match="128 in all"):
        run([written(tmp_path, "wide", SUMS, **(WRITES | wide))], model)
    unknown = {
        "metric_list": [{"metric": "no_such", "aggregation": "mean", "higher_is_better": True}]
    }
    with pytest.raises(LimbeckError, match="no metric no_such"):
        run([written(tmp_path, "odd", SUMS, **(WRITES | unknown))], model)
    model[1].chat_template = None
    with pytest.raises(RequestError, match="no chat template"):
        run([file], model, chat=True)


def test_a_file_that_runs_code_is_refused(model, tmp_path):
    file = written(tmp_path, "code", SUMS, **(WRITES | {"unsafe_code": True}))
    with pytest.raises(RequestError, match="outside any sandbox"):
        run([file], model)
