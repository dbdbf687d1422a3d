"""A whole run with each method: the files of the contract, and numbers that can be counted again."""

import hashlib
import json
import math
import re
import time

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

import limbeck.methods
from limbeck.recipe import load_recipe, parse_recipe
from limbeck.run import read_run
from limbeck.run.distill import distill
from run.test_rounds import RUNS
from run.tiny import DATA, MODEL, STUDENT, invoke, numbers, request, tree, weights_hash, work, write

METHODS = {
    "sft": {"teacher": None, "method": "sft"},
    "seqkd": {"method": "seqkd", "generation": {"max_new_tokens": 20}},
    "kd": {"method": {"name": "kd", "lmbda": 0.9, "temperature": 2.0}, "baseline": "sft"},
    "kd_teacher_text": {
        "method": {"name": "kd", "source": "teacher"},
        "generation": {"max_new_tokens": 20},
        "data__labelled": 16,
        "baseline": "sft",
        "controls": True,
    },
    "revkd": {"method": "revkd"},
    "gkd": {
        "method": "gkd",
        "generation": {"max_new_tokens": 12, "temperature": 0.9},
        "training__max_steps": 8,
    },
    "gkd_on_policy": {
        "method": {"name": "gkd", "lmbda": 1, "beta": 1},
        "generation": {"max_new_tokens": 12},
        "data__labelled": 0,
        "training__max_steps": 8,
    },
}
each_method = pytest.mark.parametrize("name", METHODS)

# The other methods, a few steps each; those of several stages on a teacher's path are in test_rounds.
SHORT = {
    "training__max_steps": 6,
    "training__eval_steps": 3,
    "training__logging_steps": 2,
    "evaluate": {"max_new_tokens": 4, "max_items": 8, "samples": 0},
}
WRITING = {"generation": {"max_new_tokens": 8}}
MORE = {
    "jsd": {"method": {"name": "jsd", "source": "teacher"}, "generation": {"max_new_tokens": 20}},
    "tvd": {"method": "tvd"},
    "akl": {"method": "akl"},
    "abkd": {"method": "abkd"},
    "dkd": {"method": "dkd"},
    "taid": {"method": "taid"},
    "dpkd-token": {"method": "dpkd-token"},
    "imitkd": {"method": {"name": "imitkd", "beta": 0.5}, **WRITING},
    "distillm": {"method": {"name": "distillm", "phi": 0.7, "capacity": 16}, **WRITING},
    "distillm2": {
        "method": {"name": "distillm2", "rounds": 2},
        "generation": {"max_new_tokens": 20},
    },
    "dpkd": {"method": "dpkd", "generation": {"max_new_tokens": 20}},
    "opd": {"method": "opd", **WRITING},
    "opd_sampled": {"method": {"name": "opd", "estimator": "sampled", "gamma": 0.5}, **WRITING},
    "skd": {"method": "skd", **WRITING},
    "minillm": {"method": {"name": "minillm", "epochs": 2, "lm_coef": 0.5}, **WRITING},
    "seqkd_beams": {"method": "seqkd", "generation": {"max_new_tokens": 20, "num_beams": 3}},
    "custom": {
        "method": {"name": "custom", "divergence": "reverse_kl", "weight": "teacher_entropy"}
    },
    "custom_pairs": {
        "method": {
            "name": "custom",
            "source": "paired",
            "divergence": "contrastive",
            "alpha": {"schedule": "linear", "from": 0.3, "to": 0.1},
        },
        "generation": {"max_new_tokens": 20},
    },
    "custom_mixed": {"method": {"name": "custom", "source": "mixed"}, **WRITING},
    "distillm_corpus": {
        "method": {"name": "distillm", "lm_coef": 1, "phi": 0.7, "trains_on": "buffer"},
        **WRITING,
    },
    "dpkd_corpus": {
        "method": {"name": "dpkd", "lm_coef": 0.5},
        "generation": {"max_new_tokens": 20},
    },
}
RARER = ("custom_mixed", "custom_pairs", "distillm_corpus", "dpkd_corpus", "opd_sampled", "tvd")
# Terms that are logged, where a method has others than its divergence.
TERMS = {
    "minillm": {"single_step", "long_horizon", "lm"},
    "distillm_corpus": {"skew_kl", "lm"},
    "dpkd_corpus": {"preference", "lm"},
    "distillm2": {"pull", "push"},
    "skd": {"kl", "acceptance"},
    "taid": {"kl", "t"},
    "custom_pairs": {"contrastive", "alpha"},
}


@pytest.fixture
def finished(runs, teacher):
    def run(name):
        changes = dict(METHODS[name])
        changes.setdefault("teacher", str(teacher.path))
        return runs(name, **changes)

    return run


def items(run, arm):
    return pq.read_table(run.path / "items" / f"{arm}.parquet").to_pylist()


def last_after_marker(text):
    return text.rsplit("#", 1)[1].strip() if "#" in text else None


@each_method
def test_the_files_of_the_contract(finished, name):
    run = finished(name)
    results = json.loads((run.path / "results.json").read_text())
    assert results == run.results and results["schema"] == "limbeck.results/2"
    assert json.loads((run.path / "manifest.json").read_text())["schema"] == "limbeck.manifest/1"
    assert yaml.safe_load((run.path / "recipe.yaml").read_text()) == results["recipe"]
    arms = set(results["models"])
    assert {"before", "student"} <= arms
    assert {p.stem for p in (run.path / "items").glob("*.parquet") if "." not in p.stem} == arms
    assert set(results["training"]) == arms - {"before", "teacher"}
    for section in ("evaluation", "comparisons", "audit", "text", "data", "costs"):
        assert section in results
    assert {f["status"] for f in results["doctor"]} <= {"ok", "note", "warn"}
    assert not list(run.path.rglob(".*.partial")), "half-written files are left"
    assert not list((run.path / "checkpoints").glob("*")), "checkpoints of finished trainings"


@each_method
def test_the_report_says_the_verdict(finished, name):
    run = finished(name)
    page = run.report.read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    verdict = re.sub(r"\s+", " ", run.results["verdict"]).strip()
    assert verdict and verdict[:60].replace("'", "&#39;") in text
    assert not re.search(r"""(src|href)=["']?https?://(?!arxiv|github)""", page), "not offline"


@each_method
def test_the_text_of_the_round_is_kept(finished, name):
    run = finished(name)
    wrote = (run.path / "rounds" / "000" / "teacher.jsonl").exists()
    assert wrote == (name in ("seqkd", "kd_teacher_text"))
    if wrote:
        lines = (run.path / "rounds" / "000" / "teacher.jsonl").read_text().splitlines()
        answers = [json.loads(line) for line in lines[1:]]
        assert sorted(a["i"] for a in answers) == list(range(96))
        text = run.results["text"]
        assert text["answered_by_teacher"] == 96
        assert text["finished"] == sum(a["finished"] for a in answers)
        assert text["tokens_generated"] == sum(len(a["tokens"]) for a in answers)


@each_method
def test_accuracy_is_what_the_items_say(finished, name):
    run = finished(name)
    metrics = run.results["evaluation"]["metrics"]
    for arm, scores in metrics.items():
        rows = items(run, arm)
        assert len(rows) == run.results["evaluation"]["items"] == 32
        assert len({r["key"] for r in rows}) == 32
        right = [last_after_marker(r["output"]) == r["answer"] for r in rows]
        assert right == [r["correct"] for r in rows]
        assert scores["accuracy"]["value"] == pytest.approx(sum(right) / 32)
        assert scores["truncated"] == pytest.approx(1 - sum(r["finished"] for r in rows) / 32)
        bits = sum(r["nats"] for r in rows) / math.log(2) / sum(r["bytes"] for r in rows)
        assert scores["bits_per_byte"]["value"] == pytest.approx(bits)
        nats = sum(r["nats"] for r in rows) / sum(r["nats_tokens"] for r in rows)
        assert scores["perplexity"] == pytest.approx(math.exp(nats))


@each_method
def test_all_models_saw_the_same_items(finished, name):
    run = finished(name)
    keys = [[r["key"] for r in items(run, arm)] for arm in run.results["models"]]
    assert all(k == keys[0] for k in keys)
    for pair in run.results["comparisons"]:
        if pair["metric"] == "accuracy":
            a, b = ([r["correct"] for r in items(run, pair[side])] for side in "ab")
            assert pair["n10"] == sum(x and not y for x, y in zip(a, b, strict=True))
            assert pair["n01"] == sum(y and not x for x, y in zip(a, b, strict=True))


@each_method
def test_the_student_folder_holds_the_model_that_was_evaluated(finished, name):
    """Plain transformers, one row at a time, finds the likelihoods and answers of the items."""
    run = finished(name)
    model = AutoModelForCausalLM.from_pretrained(run.student).eval()
    tokenizer = AutoTokenizer.from_pretrained(run.student)
    shown = {f"{e.prompt}": e for e in _test_examples(run)}
    for row in items(run, "student")[:6]:
        prompt = tokenizer(row["prompt"], return_tensors="pt")["input_ids"]
        rest = tokenizer(
            shown[row["prompt"]].completion + tokenizer.eos_token, return_tensors="pt"
        )["input_ids"]
        with torch.no_grad():
            logits = model(torch.cat([prompt, rest], 1)).logits[0, prompt.shape[1] - 1 : -1]
            nll = torch.nn.functional.cross_entropy(logits, rest[0], reduction="sum")
            written = model.generate(prompt, do_sample=False, max_new_tokens=16)
        assert float(nll) == pytest.approx(row["nats"], rel=1e-4)
        assert rest.shape[1] == row["nats_tokens"]
        answer = tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True)
        assert answer == row["output"]


def _test_examples(run):
    from limbeck.data import load_examples

    return load_examples(load_recipe(run.path / "recipe.yaml").data).test


@each_method
def test_training_took_the_steps_and_the_tokens_of_the_recipe(finished, name):
    run = finished(name)
    steps = parse_recipe(run.results["recipe"]).training["max_steps"]
    method_writes = run.results["text"].get("answered_by_teacher")
    for arm, log in run.results["training"].items():
        assert log["steps"] == steps, arm
        if arm != "student" or not method_writes:  # unfinished answers leave a last batch short
            assert log["sequences"] == steps * 8, arm
        assert log["supervised_tokens"] > 0 and log["curve"]
        assert all(math.isfinite(point["loss"]) for point in log["curve"])
    if name == "gkd_on_policy":
        assert run.results["training"]["student"]["tokens_written"] > 0


@each_method
def test_a_second_call_does_nothing(finished, name):
    run = finished(name)
    before = tree(run.path)
    changed = (run.student / "model.safetensors").stat().st_mtime_ns
    began = time.monotonic()
    again = distill(parse_recipe(run.results["recipe"]))
    assert time.monotonic() - began < 5
    assert again.results == run.results
    assert tree(run.path) == before
    assert (run.student / "model.safetensors").stat().st_mtime_ns == changed


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in RARER else ()) for n in MORE]
)
def test_every_method_trains_from_end_to_end(teacher, tmp_path, name):
    changes = {"teacher": str(teacher.path), **SHORT, **MORE[name]}
    if "lm_coef" in changes["method"]:
        file = tmp_path / "corpus.jsonl"
        texts = [{"text": f"{i} is followed by {i + 1}."} for i in range(40)]
        file.write_text("".join(json.dumps(row) + "\n" for row in texts))
        changes["corpus"] = {"source": str(file), "validation": 0, "test": 0}
    run = work(request(tmp_path / "run", **changes))
    for place in ("report.html", "recipe.yaml", "manifest.json", "rounds/000/text.parquet"):
        assert (run.path / place).exists(), place
    assert not list((run.path / "checkpoints").glob("*"))
    log, method = run.results["training"]["student"], run.results["recipe"]["method"]["name"]
    assert log["steps"] == 6 and log["supervised_tokens"] > 0 and len(log["eval_curve"]) >= 2
    assert len(log["curve"]) == (2 if method == "distillm2" else 3)
    for point in log["curve"]:
        assert TERMS.get(name, set()) <= set(point)
        assert all(math.isfinite(v) for v in point.values() if v is not None), point
    wrote = log["tokens_written"]
    cost = parse_recipe(run.results["recipe"]).build_method().cost
    assert (wrote > 0) == cost.endswith("at each step"), "who wrote, and when"
    own, before = (items(run, arm) for arm in ("student", "before"))
    moved = [a["nats"] != b["nats"] for a, b in zip(own, before, strict=True)]
    assert len(moved) == 8 and all(moved), "the student is what it was"
    AutoModelForCausalLM.from_pretrained(run.student)


def test_no_method_is_left_out():
    ran = {**METHODS, **MORE, **RUNS}.values()
    methods = [c["method"] for c in ran]
    # undo, whose teacher explains, is in test_undo.py.
    elsewhere = {name for name, m in limbeck.methods.METHODS.items() if m().tutors}
    names = {m if isinstance(m, str) else m["name"] for m in methods}
    assert names == set(limbeck.methods.METHODS) - elsewhere


def test_no_baseline_means_no_baseline(finished):
    assert set(finished("revkd").results["models"]) == {"teacher", "before", "student"}


def test_sft_asks_no_teacher(finished):
    run = finished("sft")
    assert set(run.results["models"]) == {"before", "student"}
    assert "tokens" not in run.results["audit"]


def test_the_controls_are_trained_and_told(finished):
    run = finished("kd_teacher_text")
    assert run.results["controls"] == {"gold": "run", "labelled": "run"}
    arms = {"teacher", "before", "sft", "student", "control_gold", "control_labelled"}
    assert set(run.results["models"]) == arms
    for arm in ("sft", "control_gold", "control_labelled"):
        AutoModelForCausalLM.from_pretrained(run.path / "arms" / arm)
    assert run.results["text"]["labelled"] == 16
    assert run.results["data"]["notes"]["hidden_completions"] == 80


def test_without_controls_the_report_says_that_they_were_not_run(finished):
    assert finished("kd").results["controls"] == {
        "gold": "not possible",
        "labelled": "not possible",
    }


def test_distillation_and_baseline_start_from_the_same_weights(finished):
    """Otherwise their difference says nothing of the method."""
    run = finished("kd")
    first = [run.results["training"][arm]["eval_curve"] for arm in ("sft", "student")]
    assert first[0] and first[1]
    one, other = (items(finished(name), "before") for name in ("kd", "revkd"))
    assert one == other


def test_a_run_teaches_as_a_folder(finished, teacher):
    """``teacher: runs/earlier`` is the student that the earlier run made."""
    theirs = {r["key"]: r["nats"] for r in items(teacher, "student")}
    mine = {r["key"]: r["nats"] for r in items(finished("kd"), "teacher")}
    assert finished("kd").results["models"]["teacher"]["parameters"] > 50_000
    both = set(theirs) & set(mine)
    for key in both:
        assert mine[key] == pytest.approx(theirs[key], rel=1e-5)
    direct = AutoModelForCausalLM.from_pretrained(teacher.student)
    assert direct.config.hidden_size == 48


def test_a_teacher_is_fine_tuned_first_and_lends_its_unseen_rows_only(runs):
    run = runs(
        "trained_teacher",
        teacher={
            "config": MODEL,
            "tokenizer": "characters",
            "sft": {
                "data": {**DATA, "rows": 200},
                "training": {"max_steps": 15, "learning_rate": 5e-3, "use_cpu": True},
            },
        },
        method="kd",
    )
    log = run.results["training"]["teacher"]
    assert log["steps"] == 15
    # Same task, same seed: every prompt of the student's data was in the teacher's.
    assert log["left_out_rows"] >= 96
    AutoModelForCausalLM.from_pretrained(run.path / "teacher")
    metrics = run.results["evaluation"]["metrics"]
    assert (
        metrics["teacher"]["bits_per_byte"]["value"] < metrics["before"]["bits_per_byte"]["value"]
    )
    assert not list((run.path / "checkpoints").glob("*")), "checkpoints of finished trainings"


def test_an_adapter_is_trained_and_merged(runs, teacher):
    run = runs(
        "lora",
        student={"model": str(teacher.path), "lora": {"r": 4, "lora_alpha": 8}},
        teacher=str(teacher.path),
        method="kd",
        training__max_steps=6,
        training__optim="sgd",  # Adam would blow rounding errors up to whole steps
    )
    files = {p.name for p in run.student.iterdir()}
    assert "model.safetensors" in files and not any("adapter" in f for f in files)
    before = AutoModelForCausalLM.from_pretrained(teacher.student)
    after = AutoModelForCausalLM.from_pretrained(run.student)
    assert [n for n, _ in before.named_parameters()] == [n for n, _ in after.named_parameters()]
    # Student and teacher are one model: there is nothing to learn, and nothing may drift.
    for point in run.results["training"]["student"]["curve"]:
        assert abs(point["kl"]) < 1e-6
    assert torch.allclose(before.lm_head.weight, after.lm_head.weight)


def test_an_adapter_learns(runs, teacher):
    run = runs(
        "lora_sft",
        student={"model": str(teacher.path), "lora": {"r": 4}},
        teacher=None,
        method="sft",
    )
    before = AutoModelForCausalLM.from_pretrained(teacher.student)
    after = AutoModelForCausalLM.from_pretrained(run.student)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(before.get_parameter(name), after.get_parameter(name))
    assert torch.equal(before.lm_head.weight, after.lm_head.weight)
    assert torch.equal(before.model.embed_tokens.weight, after.model.embed_tokens.weight)
    difference = after.get_parameter(name) - before.get_parameter(name)
    assert torch.linalg.matrix_rank(difference, rtol=1e-3) <= 4


def test_a_student_with_another_tokenizer_learns_from_text(runs, teacher, tmp_path_factory):
    from limbeck.data import character_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["1+", "+1", "=1"])
    tokenizer.save_pretrained(folder)
    run = runs(
        "two_tokenizers",
        student={"config": MODEL, "tokenizer": str(folder)},
        teacher=str(teacher.path),
        method="seqkd",
        generation={"max_new_tokens": 20},
    )
    assert "tokens" not in run.results["audit"], "tokens of two vocabularies cannot be compared"
    assert {"teacher", "student"} <= set(run.results["evaluation"]["metrics"])
    one, other = (items(run, arm) for arm in ("teacher", "student"))
    assert [r["bytes"] for r in one] == [r["bytes"] for r in other]
    assert [r["nats_tokens"] for r in one] != [r["nats_tokens"] for r in other]
    assert len(AutoTokenizer.from_pretrained(run.student)) == 106


def test_conversations_from_a_local_file(runs, tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "chats.jsonl"
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Add."},
                {"role": "user", "content": f"{a}+{b}="},
                {"role": "assistant", "content": f"#{a + b}"},
            ]
        }
        for a in range(1, 12)
        for b in range(1, 12)
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    run = runs("chats", data={"source": str(file), "test": 0.3}, method="kd", evaluate={})
    assert "accuracy" not in run.results["evaluation"]["metrics"]["student"]
    sections = run.results["data"]
    assert sections["train"] + sections["validation"] + sections["test"] == 121
    tokenizer = AutoTokenizer.from_pretrained(run.student)
    example = tokenizer.apply_chat_template(rows[0]["messages"], tokenize=False)
    assert example == "<bos><system>Add.<user>1+1=<assistant>#2<eos>"
    row = items(run, "student")[0]
    assert row["nats_tokens"] == row["bytes"] + 1, "the answer and its end, and nothing else"


def test_running_text_from_a_local_file(runs, tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "text.jsonl"
    rows = [{"text": f"{a} and {b} make {a + b}."} for a in range(9) for b in range(9)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    run = runs("text", data={"source": str(file), "test": 0.3}, method="kd", evaluate={})
    metrics = run.results["evaluation"]["metrics"]
    assert set(metrics["student"]) == {"bits_per_byte", "perplexity"}
    assert (
        run.results["evaluation"]["kind"] == "text"
        and run.results["audit"]["tokens"]["student"]["data"]
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(runs, finished, tmp_path):
    first = finished("gkd")
    recipe = {**first.results["recipe"], "output": str(tmp_path / "again")}
    again = distill(parse_recipe(recipe))
    assert weights_hash(again.path) == weights_hash(first.path)
    assert numbers(again.path) == numbers(first.path)
    other = distill(parse_recipe({**recipe, "output": str(tmp_path / "other"), "seed": 1}))
    assert weights_hash(other.path) != weights_hash(first.path)
    assert numbers(other.path) != numbers(first.path)


def test_python_and_the_command_line_are_one(tmp_path):
    mapping = request(tmp_path / "python", training__max_steps=4)
    run = limbeck.distill(**mapping)
    file = write(tmp_path / "r.yaml", {**mapping, "output": "elsewhere"})
    done = invoke("distill", file, f"output={tmp_path / 'shell'}", "--quiet")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "shell" / "report.html") in done.stdout
    assert weights_hash(tmp_path / "shell") == weights_hash(run.path)
    assert numbers(tmp_path / "shell") == numbers(run.path)
    assert run.results == read_run(run.path).results
    assert run.report.is_file() and run.student.is_dir()


def test_the_precision_of_products_holds_for_the_run_alone(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "limbeck.run.work.work", lambda *_: seen.append(torch.get_float32_matmul_precision())
    )
    with pytest.raises(limbeck.RequestError, match="no finished run"):  # nothing was done
        work(request(tmp_path / "r", matmul_precision="medium"))
    assert seen == ["medium"] and torch.get_float32_matmul_precision() == "highest"


def test_a_profile_of_every_training(tmp_path):
    file = write(
        tmp_path / "r.yaml", request(tmp_path / "r", training__max_steps=4, baseline="sft")
    )
    done = invoke("distill", file, "--quiet", "--profile")
    assert done.exit_code == 0, done.output
    for arm in ("sft", "student"):
        figures = json.loads((tmp_path / "r" / "profile" / f"{arm}.json").read_text())
        assert figures["steps"] == 4
        assert ("teacher" in {part["name"] for part in figures["parts"]}) == (arm == "student")
        assert f"training {arm}: where a step goes" in done.stderr


def test_python_form_refuses_like_the_command_line(tmp_path):
    with pytest.raises(limbeck.RequestError) as caught:
        limbeck.distill(**request(tmp_path / "r", method="kdd"))
    assert caught.value.exit_code == 2 and "did you mean kd?" in caught.value.mend
    with pytest.raises(limbeck.RequestError) as caught:
        limbeck.distill(studnt="x", data="y", method="kd", teacher="z")
    assert caught.value.where.startswith("limbeck.distill(...)")
    assert not (tmp_path / "r").exists()


def test_fresh_starts_over(tmp_path):
    mapping = request(tmp_path / "r", training__max_steps=2)
    work(mapping)
    (tmp_path / "r" / "stale").write_text("x")
    old = hashlib.sha256((tmp_path / "r" / "manifest.json").read_bytes()).digest()
    changed = {**mapping, "seed": 3}
    with pytest.raises(limbeck.RequestError, match="another recipe"):
        limbeck.distill(**changed)
    limbeck.distill(**changed, fresh=True)
    assert not (tmp_path / "r" / "stale").exists()
    assert hashlib.sha256((tmp_path / "r" / "manifest.json").read_bytes()).digest() != old
    assert read_run(tmp_path / "r").results["seed"] == 3


def test_a_run_can_move(finished, tmp_path):
    """Its folder's place is not part of its identity: moved, it is still finished."""
    import shutil

    run = finished("revkd")
    shutil.copytree(run.path, tmp_path / "moved")
    recipe = {**run.results["recipe"], "output": str(tmp_path / "moved")}
    changed = (tmp_path / "moved" / "student" / "model.safetensors").stat().st_mtime_ns
    distill(parse_recipe(recipe))
    assert (tmp_path / "moved" / "student" / "model.safetensors").stat().st_mtime_ns == changed


def test_a_changed_data_file_is_noticed(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"{i}=", "completion": f"#{i}"} for i in range(60)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    mapping = request(
        tmp_path / "r", data={"source": str(file), "test": 0.3}, training__max_steps=2
    )
    work(mapping)
    (tmp_path / "r" / "results.json").unlink()  # as if it had been interrupted
    before = tree(tmp_path / "r")
    file.write_text(file.read_text() + json.dumps({"prompt": "x=", "completion": "y"}) + "\n")
    with pytest.raises(limbeck.RequestError, match="the data changed"):
        limbeck.distill(**mapping)
    assert tree(tmp_path / "r") == before


def test_epochs_become_steps(tmp_path):
    run = work(
        request(
            tmp_path / "r",
            training={
                "num_train_epochs": 1,
                "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 3,
                "learning_rate": 1e-3,
                "use_cpu": True,
            },
        )
    )
    assert run.results["training"]["student"]["steps"] == 4  # 96 rows in batches of 8, three a step
    assert run.results["training"]["student"]["sequences"] == 96


def test_a_student_with_the_teachers_tokenizer(runs, teacher, tmp_path):
    """A student from scratch without a tokenizer of its own takes the teacher's."""
    run = work(
        request(
            tmp_path / "r",
            student={"config": STUDENT["config"]},
            teacher=str(teacher.path),
            training__max_steps=2,
        )
    )
    own = AutoTokenizer.from_pretrained(run.student)
    assert own.get_vocab() == AutoTokenizer.from_pretrained(teacher.student).get_vocab()
