"""Runs of several rounds: what each chose, wrote and measured, counted again from the files."""

import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from limbeck.bench import open_bench
from limbeck.data import character_tokenizer
from limbeck.methods.scd import adaptive_weights
from limbeck.models import load_model
from limbeck.recipe import parse_recipe
from limbeck.run import folds
from limbeck.run.probe import nats_of_each
from run.tiny import DATA, MODEL, STUDENT, request, work
from run.two_ranks_worker import ADAPTIVE, PATH, TUNED
from two_ranks import two_ranks

SHORT = {
    "training__max_steps": 9,
    "training__eval_steps": 3,
    "training__logging_steps": 1,
    "evaluate": {"max_new_tokens": 4, "max_items": 8, "samples": 0},
}
TUNED_STUDENT = {**STUDENT, "sft": {"training": TUNED}}
OWN_ROWS = {**PATH, "sft": {"training": TUNED}}
WRITING = {"max_new_tokens": 24, "batch_size": 32}
RUNS = {
    "cd": {"teacher": PATH, "method": "cd"},
    "cd_adapters": {"teacher": {**PATH, "lora": {"r": 4}}, "method": "cd"},
    "scd": {"teacher": PATH, "student": TUNED_STUDENT, "method": ADAPTIVE},
    "scd_baseline": {"teacher": PATH, "method": ADAPTIVE, "baseline": "sft"},
    "scd_oof": {
        "teacher": OWN_ROWS,
        "student": TUNED_STUDENT,
        "method": {**ADAPTIVE, "loss_source": "oof", "sharpness": 2.0},
    },
    "scd_plain": {"teacher": PATH, "method": {"name": "scd", "lmbda": 0.7}},
    **{
        f"scd_{control}": {
            "teacher": PATH,
            "student": TUNED_STUDENT,
            "method": {**ADAPTIVE, "control": control},
        }
        for control in ("constant", "shuffled", "inverted")
    },
    "distillm2_lora": {
        "student": {**STUDENT, "lora": {"r": 4}},
        "method": {"name": "distillm2", "rounds": 2},
        "generation": WRITING,
        "training__max_steps": 6,
    },
}
SLOW = ("scd_baseline", "scd_plain", "scd_constant", "scd_shuffled", "scd_inverted")
PATHS = [name for name in RUNS if name.startswith(("cd", "scd"))]
WEIGHED = [name for name in RUNS if RUNS[name]["method"] != "cd" and name not in ("scd_plain",)]


def params(names):
    return [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in names]


@pytest.fixture
def finished(runs, teacher):
    def run(name):
        changes = {"teacher": str(teacher.path), **SHORT, **RUNS[name]}
        return runs(f"rounds_{name}", **changes)

    return run


def read(path):
    return json.loads(Path(path).read_text())


def bench_of(run):
    return open_bench(parse_recipe(run.results["recipe"]))


def nats_a_token(bench, rows, folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    nats = nats_of_each(bench, model, rows, "again")
    tokens = [len(s.completion) for s in rows]
    return sum(n * t for n, t in zip(nats, tokens, strict=True)) / sum(tokens)


@pytest.mark.parametrize("name", params(RUNS))
def test_what_a_run_of_rounds_leaves(finished, name):
    run = finished(name)
    log = run.results["training"]["student"]
    count = 2 if "distillm2" in name else 3
    assert [r["round"] for r in log["rounds"]] == list(range(count))
    assert log["steps"] == sum(r["steps"] for r in log["rounds"])
    assert log["sequences"] == sum(r["sequences"] for r in log["rounds"])
    if (
        "distillm2" not in name
    ):  # 96 rows in batches of eight; unfinished answers leave a last batch short
        assert log["sequences"] == 8 * log["steps"]
    assert all(r["validation_nats_per_token"] > 0 for r in log["rounds"])
    curve = log["curve"]
    assert curve and [p["step"] for p in curve] == sorted(p["step"] for p in curve)
    assert curve[-1]["step"] <= log["steps"]
    for point in curve:
        assert all(math.isfinite(v) for v in point.values() if v is not None), point
    metrics = run.results["evaluation"]["metrics"]
    before, after = (metrics[arm]["bits_per_byte"]["value"] for arm in ("before", "student"))
    assert after != before and math.isfinite(after)
    assert not list((run.path / "checkpoints").glob("*")), "checkpoints of finished trainings"
    assert not list(run.path.glob("fold-*")), "models of the folds"
    assert (run.path / "rounds" / "000" / "text.parquet").exists()
    AutoModelForCausalLM.from_pretrained(run.student)


@pytest.mark.parametrize("name", params(PATHS))
def test_stages_of_a_path(finished, name):
    """Which checkpoint each stage imitated, from which distances."""
    run = finished(name)
    rounds = run.results["training"]["student"]["rounds"]
    path = read(run.path / "manifest.json")["stages"]["teacher path"]["result"]
    assert len(path["checkpoints"]) == 3
    for index, stage in enumerate(rounds):
        assert stage["checkpoints"] == path["checkpoints"] and stage["best"] == path["best"]
        best, student = stage["kl_from_best"], stage["kl_from_student"]
        assert best[path["best"]] == pytest.approx(0, abs=1e-6)
        assert all(k > 1e-4 for i, k in enumerate(best) if i != path["best"])
        assert len(student) == 3 and min(student) > 0
        sums = [a + b for a, b in zip(best, student, strict=True)]
        chosen = index if name.startswith("cd") else sums.index(min(sums))
        assert stage["checkpoint"] == chosen
    assert len({tuple(stage["kl_from_student"]) for stage in rounds}) == 3, "the student moved"


@pytest.mark.parametrize("name", params(PATHS))
def test_the_student_is_that_of_the_best_round(finished, name):
    """Its likelihood of the validation rows is the best of all rounds, measured once more."""
    run = finished(name)
    log, bench = run.results["training"]["student"], bench_of(run)
    nats = [r["validation_nats_per_token"] for r in log["rounds"]]
    assert log["kept_round"] == nats.index(min(nats))
    rows = [s for s in bench.sequences["validation"] if s.completion]
    assert nats_a_token(bench, rows, run.student) == pytest.approx(min(nats), rel=1e-5)


@pytest.mark.parametrize("name", params(n for n in WEIGHED if n.startswith("scd")))
def test_adaptive_weights_are_what_the_losses_say(finished, name):
    run = finished(name)
    method, first = run.results["recipe"]["method"], run.results["training"]["student"]["rounds"][0]
    k, rounds = first["checkpoint"], run.path / "rounds"
    if method.get("loss_source") == "oof":
        own, its = (read(run.path / "folds" / f"{s}.json") for s in ("student", "teacher"))
        assert (len(own), len(its)) == (1, 3)
        own, its = own[0], its[k]
    else:
        own = read(rounds / "losses_of_start.json")
        its = read(rounds / f"losses_of_checkpoint_{k}.json")
        bench = bench_of(run)
        labelled = [s for s in bench.sequences["train"] if s.completion]
        start = "arms/sft" if name == "scd_baseline" else "start"
        model = AutoModelForCausalLM.from_pretrained(run.path / start)
        assert own == pytest.approx(nats_of_each(bench, model, labelled, "again"), rel=1e-5)
    weights = adaptive_weights(own, its, method.get("sharpness", 1.0))
    assert len(weights) == 96 and len(set(weights)) > 90
    found = pq.read_table(rounds / "000" / "text.parquet")["weight"].to_pylist()
    control = method.get("control", "none")
    if control == "shuffled":
        assert sorted(found) == pytest.approx(sorted(weights)) and found != weights
    elif control == "constant":
        assert set(found) == {found[0]} and found[0] == pytest.approx(sum(weights) / 96)
    else:
        expected = [1 - w for w in weights] if control == "inverted" else weights
        assert found == pytest.approx(expected)


def test_no_fold_has_seen_its_rows(tmp_path, monkeypatch):
    """Not even where the student's fine-tuning has data of its own, with the same prompts."""
    trained, scored = [], []
    tune, score = folds.tuned, folds.nats_of_each

    def tuned(folder, bench, tuning):
        result = tune(folder, bench, tuning)
        trained.append(result["left_out_rows"])
        return result

    def nats(bench, model, rows, what):
        scored.append({s.example for s in rows})
        return score(bench, model, rows, what)

    monkeypatch.setattr(folds, "tuned", tuned)
    monkeypatch.setattr(folds, "nats_of_each", nats)
    quick = {**TUNED, "max_steps": 2}
    work(
        request(
            tmp_path / "run",
            **SHORT
            | {
                "teacher": {**PATH, "sft": {"training": quick}, "keep_checkpoints": 2},
                "student": {**STUDENT, "sft": {"data": DATA, "training": quick}},
                "method": {**ADAPTIVE, "loss_source": "oof"},
                "training__max_steps": 2,
            },
        )
    )
    student, teacher = scored[:3], scored[3:]
    assert [len(s) for s in student] == [32, 32, 32] and set.union(*student) == set(range(96))
    assert teacher == [s for s in student for _ in range(2)]  # two checkpoints each
    # The same task and seed: the fold's 32 prompts, beside those that are held out anyway.
    held_out = trained[0] - 32
    assert held_out >= 0 and trained == [held_out + 32] * 3 + [0] * 3


def test_an_adapter_goes_on_from_round_to_round(finished):
    """Both models wrote for each round, and the student's second text is another one."""
    run = finished("distillm2_lora")
    texts, wrote = [], []
    for index in range(2):
        folder = run.path / "rounds" / f"{index:03}"
        lines = [json.loads(x) for x in (folder / "student.jsonl").read_text().splitlines()[1:]]
        answers = [json.loads(x) for x in (folder / "teacher.jsonl").read_text().splitlines()[1:]]
        assert len(answers) == 96 and len(lines) == sum(a["finished"] for a in answers) > 20
        texts.append([a["tokens"] for a in answers])
        wrote.append(sum(len(a["tokens"]) for a in [*answers, *lines]))
    assert texts[0] != texts[1]
    log = run.results["training"]["student"]
    assert [r["tokens_generated"] for r in log["rounds"]] == wrote
    assert run.results["costs"]["tokens_generated"] == sum(wrote)
    final = AutoModelForCausalLM.from_pretrained(run.student)
    bench = bench_of(run)
    raw = load_model(bench.recipe.student, "student", bench.student.tokenizer, 0, "float32")
    name = "model.layers.0.self_attn.q_proj.weight"
    difference = final.get_parameter(name) - raw.get_parameter(name)
    assert 0 < torch.linalg.matrix_rank(difference, rtol=1e-3) <= 4
    assert torch.equal(final.model.embed_tokens.weight, raw.model.embed_tokens.weight)


@pytest.mark.parametrize(
    "method",
    ["skd", "minillm", pytest.param({"name": "distillm2", "rounds": 2}, marks=pytest.mark.slow)],
)
def test_a_padded_head_is_cut_to_the_tokenizer(tmp_path, method):
    tokenizer = character_tokenizer()
    LlamaForCausalLM(LlamaConfig(**MODEL, vocab_size=128)).save_pretrained(tmp_path / "padded")
    tokenizer.save_pretrained(tmp_path / "padded")
    changes = {"teacher": str(tmp_path / "padded"), "method": method, "generation": WRITING}
    run = work(request(tmp_path / "run", **{**SHORT, **changes, "training__max_steps": 4}))
    assert any("padded: 128 rows for 103 ids" in f["what"] for f in run.results["doctor"])
    assert run.results["audit"]["tokens"]["student"]
    assert all(math.isfinite(p["loss"]) for p in run.results["training"]["student"]["curve"])


@pytest.mark.slow
def test_two_ranks_come_to_the_end(tmp_path):
    """Folds, a path and stages: whatever one process does alone, the other must not wait for."""
    two_ranks("run.two_ranks_worker", tmp_path)
    results = read(tmp_path / "run" / "results.json")
    log = results["training"]["student"]
    assert [r["round"] for r in log["rounds"]] == [0, 1]
    assert log["sequences"] == 4 * 8, "four steps of two ranks with four rows each"
    for side, checkpoints in (("student", 1), ("teacher", 2)):
        losses = read(tmp_path / "run" / "folds" / f"{side}.json")
        assert [len(x) for x in losses] == [96] * checkpoints
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


def test_a_student_keeps_its_precision_over_rounds(tmp_path):
    run = work(
        request(
            tmp_path / "r",
            student={**STUDENT, "dtype": "bfloat16"},
            method={"name": "distillm2", "rounds": 2},
            generation=WRITING,
            **{**SHORT, "training__max_steps": 4},
        )
    )
    model = AutoModelForCausalLM.from_pretrained(run.student)
    assert model.dtype == torch.bfloat16


def test_a_checkpoint_that_diverged_is_not_chosen(tmp_path):
    """Its KL is no number, and no number may stand in a manifest."""
    folder = tmp_path / "path"
    tokenizer = character_tokenizer()
    for k in range(3):
        torch.manual_seed(k)
        config = LlamaConfig(**{n: v for n, v in MODEL.items() if n != "model_type"})
        config.vocab_size = len(tokenizer)
        config.eos_token_id = tokenizer.eos_token_id
        model = LlamaForCausalLM(config)
        if k == 1:
            torch.nn.init.constant_(model.model.norm.weight, float("nan"))
        model.save_pretrained(folder / f"checkpoint-{k}")
        tokenizer.save_pretrained(folder / f"checkpoint-{k}")
    run = work(request(tmp_path / "r", teacher={"checkpoints": str(folder)}, method="scd", **SHORT))
    rounds = run.results["training"]["student"]["rounds"]
    assert all(r["kl_from_best"][1] is None and r["checkpoint"] != 1 for r in rounds)


@pytest.mark.parametrize("index", [0, 1])
def test_the_text_of_every_round_is_kept(finished, index):
    run = finished("distillm2_lora")
    rows = pq.read_table(run.path / "rounds" / f"{index:03}" / "text.parquet").to_pydict()
    assert rows["prompt"] and all(rows["rejected"])
