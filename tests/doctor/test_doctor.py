"""What the doctor finds, each on a pair or a data set that has it and nothing else."""

import collections
import json
import subprocess
from pathlib import Path

import psutil
import pytest
import torch
from transformers import GenerationConfig, LlamaConfig

from limbeck.bench import open_bench
from limbeck.data import character_tokenizer
from limbeck.doctor import examine, refuse
from limbeck.doctor.headroom import headroom
from limbeck.errors import RequestError
from limbeck.models import load_model
from limbeck.recipe import parse_recipe
from run.tiny import STUDENT, invoke, request, tree, write

GIB = 2**30


@pytest.fixture
def folder(tmp_path):
    """Write a model as the doctor reads it: configuration and tokenizer, and no weights at all."""

    def make(name, change=None, generation=None, **config):
        tokenizer = character_tokenizer()
        if change:
            tokenizer = change(tokenizer) or tokenizer
        path = tmp_path / "models" / name
        settings = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 64,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        LlamaConfig(**{**settings, **config}).save_pretrained(path)
        tokenizer.save_pretrained(path)
        if generation:
            GenerationConfig(**generation).save_pretrained(path)
        return str(path)

    return make


@pytest.fixture
def rows(tmp_path):
    def write_rows(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        return str(path)

    return write_rows


@pytest.fixture
def ask(tmp_path):
    """``ask(**changes)``: the findings on the tiny recipe with changes, by check."""

    def examined(**changes):
        recipe = parse_recipe(request(tmp_path / "out", **changes))
        found = collections.defaultdict(list)
        for finding in examine(open_bench(recipe), tmp_path / "out"):
            assert finding.what
            if finding.status == "fail":
                assert finding.why and finding.mend, finding
            elif finding.status != "ok":
                assert finding.why, finding
            found[finding.check].append(finding)
        assert not (tmp_path / "out").exists()
        return found

    return examined


def only(findings):
    (finding,) = findings
    return finding


def pairs(count=60):
    return [{"prompt": f"{i}=", "completion": f"#{i}"} for i in range(count)]


# Tokenizers, heads, ends, templates


def test_a_pair_that_is_ready(ask):
    found = ask()
    assert {f.status for findings in found.values() for f in findings} <= {"ok", "note", "warn"}
    assert only(found["tokenizer"]).status == "ok"
    assert only(found["memory"]).status == only(found["disk"]).status == "ok"
    assert only(found["training"]).status == "ok"


def test_the_same_tokenizer_under_another_name(ask, folder):
    one, other = folder("one"), folder("other")
    config = json.loads(Path(other, "tokenizer_config.json").read_text())
    config["name_or_path"] = "someone/else"
    Path(other, "tokenizer_config.json").write_text(json.dumps(config))
    finding = only(ask(student=one, teacher=other)["tokenizer"])
    assert finding.status == "ok" and "103" in finding.what


def _longer(tokenizer):
    tokenizer.add_tokens(["<more>"])


def _shuffled(tokenizer):
    """The same words under other ids."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    words = state["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
    )


@pytest.mark.parametrize("change", [_longer, _shuffled])
@pytest.mark.parametrize(
    ("method", "status"), [("kd", "fail"), ("gkd", "fail"), ("revkd", "fail"), ("seqkd", "note")]
)
def test_another_vocabulary(ask, folder, change, method, status):
    finding = only(
        ask(student=folder("one"), teacher=folder("two", change), method=method)["tokenizer"]
    )
    assert finding.status == status and "the tokenizers differ" in finding.what
    if status == "fail":
        assert "sft, seqkd" in finding.mend or "seqkd" in finding.mend
    assert (f"{103 if change is _longer else 101:,} of them the same") in finding.what


def test_a_padded_head(ask, folder):
    found = ask(student=folder("one", vocab_size=128), teacher=folder("two"))
    finding = only(found["heads"])
    assert finding.status == "note" and "128 rows for 103 ids" in finding.what
    assert only(found["tokenizer"]).status == "ok"


def test_a_head_that_is_too_small(ask, folder):
    finding = only(ask(student=folder("one", vocab_size=100), teacher=folder("two"))["heads"])
    assert finding.status == "fail" and "100 rows" in finding.what and "103 ids" in finding.what


def _endless(tokenizer):
    tokenizer.eos_token = None


def test_no_end_of_sequence(tmp_path, folder):
    one = folder("one", _endless, eos_token_id=None)
    recipe = parse_recipe(request(tmp_path / "out", student=one, teacher=None, method="sft"))
    with pytest.raises(RequestError) as caught:
        refuse(examine(open_bench(recipe), tmp_path / "out"))
    assert "end-of-sequence" in caught.value.what and "eos_token" in caught.value.mend


def test_a_teacher_without_an_end(ask, folder, tmp_path):
    with pytest.raises(RequestError) as caught:
        found = ask(student=folder("one"), teacher=folder("two", _endless, eos_token_id=None))
        refuse([f for findings in found.values() for f in findings])
    assert caught.value.exit_code == 2
    assert "end-of-sequence" in caught.value.what or "tokenizers differ" in caught.value.what


def test_ends_that_differ(ask, folder):
    one = folder("one", generation={"eos_token_id": [2, 1]})
    finding = ask(student=one, teacher=folder("two"))["end of sequence"][0]
    assert finding.status == "warn"
    assert "['<bos>', '<eos>']" in finding.what and "['<eos>']" in finding.what


def test_ends_that_agree(ask, folder):
    finding = only(ask(student=folder("one"), teacher=folder("two"))["end of sequence"])
    assert finding.status == "ok" and "<eos>" in finding.what


def _padding_with_the_end(tokenizer):
    tokenizer.pad_token = tokenizer.eos_token


def test_padding_with_the_end_of_sequence_is_no_harm(ask, folder):
    found = ask(
        student=folder("one", _padding_with_the_end),
        teacher=folder("two", _padding_with_the_end),
    )
    assert only(found["padding"]).status == "ok"


def _other_template(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}<eos>{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )


def test_templates_that_differ_are_both_shown(ask, folder):
    found = ask(student=folder("one"), teacher=folder("two", _other_template), data__chat=True)
    finding = only(found["chat template"])
    assert finding.status == "warn"
    assert repr("<bos><user>Hello<assistant>") in finding.what
    assert repr("[user]Hello<eos>[assistant]") in finding.what


def test_templates_that_agree(ask, folder):
    assert not ask(student=folder("one"), teacher=folder("two"), data__chat=True)["chat template"]


def test_plain_prompts_beside_a_chat_template(ask):
    finding = only(ask()["chat template"])
    assert finding.status == "note" and "chat: true" in finding.mend


# Rows


def test_a_context_that_is_too_short(ask):
    found = ask(data__max_length=65)["context"]
    assert [f.status for f in found] == ["fail", "fail"]
    assert "the student's context is 64" in found[0].what
    assert "the teacher's context is 64" in found[1].what and "at most 64" in found[1].mend


def test_no_room_for_the_answer_beside_the_prompt(ask):
    finding = only(ask(method="seqkd", generation={"max_new_tokens": 60})["context"])
    assert finding.status == "warn" and "58 tokens are left" in finding.what
    assert "generation.max_new_tokens to 58" in finding.mend
    assert not ask(method="seqkd", generation={"max_new_tokens": 58})["context"]


def test_truncated_rows_are_counted(ask, rows):
    data = [{"prompt": f"{i:02}=", "completion": "x" * (30 if i < 12 else 3)} for i in range(60)]
    source = {"source": rows(data), "validation": 0, "test": rows(pairs(120)[100:], "test.jsonl")}
    finding = only(ask(data={**source, "max_length": 20})["lengths"])
    assert finding.status == "warn"
    assert "12 rows are cut and 0 dropped to fit 20 tokens" in finding.what
    assert "20.0%" in finding.what
    dropped = {**source, "max_length": 20, "truncation": "drop"}
    assert "0 rows are cut and 12 dropped" in only(ask(data=dropped)["lengths"]).what
    assert only(ask(data=source)["lengths"]).status == "ok"


def test_nothing_fits(ask):
    finding = ask(data__max_length=5, data__truncation="drop")["lengths"][0]
    assert finding.status == "fail" and "no training row fits into 5 tokens" in finding.what


def test_duplicate_and_leaking_rows(ask, rows):
    test = rows([{"prompt": f"{i}=", "completion": "other"} for i in range(7)], "test.jsonl")
    data = {"source": rows(pairs() + pairs(3) + pairs(60)[50:52]), "test": test}
    found = ask(data=data)["splits"]
    notes = [f.what for f in found if f.status == "note"]
    assert notes == [
        "5 duplicate rows were removed",
        "7 training rows were removed because their prompt is held out",
    ]


def test_too_few_rows_to_test_on(ask, rows):
    finding = ask()["splits"][0]
    assert finding.status == "warn" and "only 32 rows" in finding.what
    assert ask(data__test_rows=120, data__options={"terms": [3, 3]})["splits"][0].status == "ok"
    finding = ask(data={"source": rows(pairs()), "test": 0})["splits"][0]
    assert finding.status == "fail" and "no rows to test on" in finding.what


def test_nobody_has_answered(ask, rows):
    data = {"source": rows([{"prompt": f"{i}="} for i in range(60)])}
    for method in ("kd", "revkd", "gkd"):
        finding = ask(data=data, method=method)["text"][0]
        assert finding.status == "fail" and "no row has one" in finding.what
        assert "source: teacher" in finding.mend
    assert ask(data=data, method="sft", teacher=None)["text"][0].status == "fail"
    assert ask(data=data, method="seqkd")["text"][0].status == "ok"
    finding = only(ask(data=data, method={"name": "gkd", "lmbda": 1})["text"])
    assert finding.status == "ok" and "student answers all" in finding.what


def test_few_have_answered(ask):
    finding = only(ask(data__labelled=10)["text"])
    assert finding.status == "note" and "86 of 96 prompts have no completion" in finding.what
    found = ask(data__labelled=0, method="seqkd", baseline="sft")
    assert "no SFT baseline" in only(found["baseline"]).what


# The machine


def test_a_full_disk(ask, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(GIB, GIB, 2**20))
    finding = only(ask()["disk"])
    assert finding.status == "fail" and "1 MiB free" in finding.what
    assert "save_total_limit" in finding.mend


def test_a_disk_that_is_really_small(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)]
    try:
        done = subprocess.run(command, capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        recipe = parse_recipe(request(small / "runs" / "new"))
        found = examine(open_bench(recipe), small / "runs" / "new")
        finding = only([f for f in found if f.check == "disk"])
        assert finding.status == "fail" and f"1 MiB free at {small}" in finding.what
        assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize(("free", "status"), [(500, "fail"), (800, "warn"), (4000, "ok")])
def test_memory(ask, monkeypatch, free, status):
    """PyTorch itself and one chunk of logits make up nearly all of a tiny run: some 700 MiB."""
    if torch.cuda.is_available():
        pytest.skip("the memory of the GPU is asked")
    memory = collections.namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(free * 2**20))
    finding = only(ask()["memory"])
    assert finding.status == status, finding.what
    assert "libraries 600 MiB" in finding.what and " free" in finding.what


def test_memory_grows_with_what_needs_it(ask, folder):
    def needed(**changes):
        words = only(ask(**changes)["memory"]).what.split()
        return float(words[1]) * {"MiB": 1, "GiB": 1024}[words[2]]

    wide = folder("wide", hidden_size=1024, intermediate_size=4096, num_hidden_layers=8)
    base = needed(student=wide, teacher=wide)
    # 8 layers of 1024 x 4096: about 134 million weights.
    assert base > 134e6 * (16 + 4) / 2**20
    assert needed(student=wide, teacher=wide, training__per_device_train_batch_size=256) > base
    assert needed(student={"model": wide, "lora": {}}, teacher=wide) < 0.7 * base
    assert needed(student=wide, teacher={"model": wide, "dtype": "bfloat16"}) < base
    assert needed(student=wide, teacher={"model": wide, "sft": {}}) > base


def test_the_disk_has_room_for_what_is_kept(ask, folder):
    """134 million weights in float32 are half a GiB each time they are written."""

    def needed(**changes):
        words = only(ask(**changes)["disk"]).what.split()
        return float(words[1]) * {"MiB": 1 / 1024, "GiB": 1}[words[2]]

    wide = folder("wide", hidden_size=1024, intermediate_size=4096, num_hidden_layers=8)
    base = needed(teacher={"model": wide, "sft": {}})
    kept = needed(teacher={"model": wide, "sft": {}, "keep_checkpoints": 6})
    assert kept - base == pytest.approx(6 * 0.5, abs=0.2)
    adapters = needed(teacher={"model": wide, "sft": {}, "lora": {}, "keep_checkpoints": 6})
    assert adapters < base / 2
    assert needed(student={"model": wide, "sft": {}}) > needed(student=wide) + 4


def test_a_student_with_nothing_to_be_tuned_on(ask):
    found = ask(data__labelled=0, method="seqkd", student={**STUDENT, "sft": {}})["text"]
    assert "student.sft" in next(f for f in found if f.status == "fail").what


@pytest.mark.parametrize(("units", "found"), [({}, ["note"]), ({"amx_bf16": True}, [])])
def test_matrix_units_that_are_not_there(ask, monkeypatch, units, found):
    if torch.accelerator.is_available():
        pytest.skip("an accelerator has them")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert "precision" not in ask()
    assert [f.status for f in ask(matmul_precision="medium").get("precision", [])] == found


@pytest.mark.parametrize(("value", "words"), [("triton", "Triton"), ("cuda", "names no row")])
def test_row_kernels_that_are_not_there(ask, monkeypatch, value, words):
    if torch.accelerator.is_available():
        pytest.skip("they are there")
    assert "kernels" not in ask()
    monkeypatch.setenv("LIMBECK_KERNELS", value)
    finding = only(ask()["kernels"])
    assert finding.status == "fail" and words in finding.what
    assert "unset it" in finding.mend


def test_training_arguments_that_contradict_each_other(ask):
    finding = only(ask(training__eval_strategy="sometimes")["training"])
    assert finding.status == "fail" and "sometimes" in finding.what
    finding = only(
        ask(training__learning_rate=1e-3, training__bf16=True, training__fp16=True)["training"]
    )
    assert finding.status == "fail"


# Headroom


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A teacher that has learnt something."""
    from run.tiny import work

    mapping = request(
        tmp_path_factory.mktemp("taught") / "run", teacher=None, method="sft", data__seed=1
    )
    return str(work(mapping).path)


@pytest.mark.parametrize(("teacher_knows", "status"), [(True, "ok"), (False, "warn")])
def test_headroom(tmp_path, taught, teacher_knows, status):
    one, other = (STUDENT, taught) if teacher_knows else (taught, STUDENT)
    recipe = parse_recipe(request(tmp_path / "out", student=one, teacher=other))
    bench = open_bench(recipe)
    student = load_model(recipe.student, "student", bench.student.tokenizer, 0, "float32")
    teacher = load_model(recipe.teacher, "teacher", bench.teacher.tokenizer, 1, "float32")
    finding = headroom(bench, teacher, student)
    assert finding.status == status and "12 validation rows" in finding.what
    if status == "warn":
        assert "not clearly better" in finding.what and "sft" in finding.mend


def test_headroom_of_a_model_over_itself(tmp_path, taught):
    recipe = parse_recipe(request(tmp_path / "out", student=taught, teacher=taught))
    bench = open_bench(recipe)
    model = load_model(recipe.student, "student", bench.student.tokenizer, 0, "float32")
    assert headroom(bench, model, model).status == "warn"


def test_no_rows_to_measure_headroom_on(tmp_path, taught):
    recipe = parse_recipe(request(tmp_path / "out", teacher=taught, data__validation_rows=0))
    finding = headroom(open_bench(recipe), None, None)
    assert finding.status == "note" and "data.validation" in finding.mend


# The command


def doctor(*arguments):
    return invoke("doctor", *arguments)


def test_ready_is_exit_code_0(tmp_path):
    file = write(tmp_path / "r.yaml", request(tmp_path / "out"))
    before = tree(tmp_path)
    done = doctor(file)
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith("ready") and "not ready" not in done.stdout
    assert tree(tmp_path) == before, "the doctor writes nothing"


def test_not_ready_is_exit_code_1(tmp_path):
    file = write(tmp_path / "r.yaml", request(tmp_path / "out"))
    before = tree(tmp_path)
    done = doctor(file, "data.max_length=65")
    assert done.exit_code == 1, done.output
    assert "not ready" in done.stdout and "fail" in done.stdout
    assert "why:" in done.stdout and "mend:" in done.stdout
    assert tree(tmp_path) == before


def test_a_request_that_is_wrong_is_exit_code_2(tmp_path):
    file = write(tmp_path / "r.yaml", request(tmp_path / "out"))
    assert doctor(file, "method=kdd").exit_code == 2


@pytest.mark.parametrize(("override", "code"), [("seed=0", 0), ("data.max_length=65", 1)])
def test_findings_for_machines(tmp_path, override, code):
    done = doctor(write(tmp_path / "r.yaml", request(tmp_path / "out")), override, "--json")
    assert done.exit_code == code
    found = json.loads(done.stdout)
    assert found["ready"] == (code == 0)
    for finding in found["findings"]:
        assert set(finding) == {"check", "status", "what", "why", "mend"}
    failed = [f for f in found["findings"] if f["status"] == "fail"]
    assert bool(failed) == bool(code) and all(f["why"] and f["mend"] for f in failed)


def test_the_doctor_loads_no_weights(tmp_path, folder, monkeypatch):
    """The folders have none; and nobody even asks."""

    def refuse_to_load(*args, **kwargs):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", refuse_to_load)
    mapping = request(tmp_path / "out", student=folder("one"), teacher=folder("two"))
    done = doctor(write(tmp_path / "r.yaml", mapping), "--json")
    assert done.exit_code == 0, done.output


def test_a_run_says_what_the_doctor_said(taught):
    found = json.loads((Path(taught) / "results.json").read_text())["doctor"]
    assert {f["check"] for f in found} >= {"training", "splits", "lengths", "memory", "disk"}


def test_quick_stops_before_the_slow_checks(tmp_path):
    bench = open_bench(parse_recipe(request(tmp_path / "out", data__max_length=65)))
    quick = {f.check for f in examine(bench, tmp_path / "out", quick=True)}
    assert "context" in quick and "memory" not in quick
    assert "memory" in {f.check for f in examine(bench, tmp_path / "out")}


def test_asked_for_weights_the_command_measures_the_lead(tmp_path, taught):
    asked = write(tmp_path / "r.yaml", request(tmp_path / "out", teacher=taught))
    quick, whole = doctor(asked, "--json"), doctor(asked, "--weights", "--json")
    checks = [[f["check"] for f in json.loads(r.stdout)["findings"]] for r in (quick, whole)]
    assert "headroom" not in checks[0] and checks[1][-1] == "headroom"
    assert not (tmp_path / "out").exists()
