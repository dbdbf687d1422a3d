"""``limbeck audit``: two models without any training, or what they wrote."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck.engines.transformers import TransformersEngine
from limbeck.run import read_run
from run.tiny import invoke as in_process
from run.tiny import request, tree, work


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A finished run: a teacher that was fine-tuned a little, a baseline, a student."""
    mapping = request(
        tmp_path_factory.mktemp("school") / "run",
        baseline="sft",
        teacher__sft={"training": {"max_steps": 30}},
        evaluate__samples=2,
        evaluate__sampled_items=8,
    )
    return work(mapping)


def audit(folder, *words, **sides):
    options = [w for name, place in sides.items() for w in (f"--{name}", place)]
    return in_process("audit", *options, *words, "-o", folder, "--quiet")


def of_run(school, folder, *words, **others):
    sides = {"teacher": school.path / "teacher", "student": school.path} | others
    return audit(folder, *words, **sides)


SAME = ("evaluate.max_new_tokens=16", "evaluate.samples=2", "evaluate.sampled_items=8")


@pytest.fixture(scope="module")
def audited(school, tmp_path_factory):
    """The models of the run, audited alone."""
    folder = tmp_path_factory.mktemp("audit") / "out"
    done = of_run(school, folder, *SAME, baseline=school.path / "arms/sft")
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_alone_it_says_what_the_run_says(school, audited):
    """On the run's own test rows, which nobody has to name."""
    own = read_run(audited[0]).results
    for key in ("recovered", "detectable"):
        assert own[key] == school.results[key]
    theirs = school.results["audit"]
    for part in ("tokens", "calibration", "agreement", "diversity", "ceiling"):
        for arm in ("sft", "student"):
            assert own["audit"][part][arm] == theirs[part][arm], part
    assert (
        own["audit"]["subdomains"]["correctness"]["arms"]["student"]
        == (theirs["subdomains"]["correctness"]["arms"]["student"])
    )
    assert (
        own["evaluation"]["metrics"]["student"]
        == school.results["evaluation"]["metrics"]["student"]
    )


def test_it_ends_with_a_report(audited):
    folder, said = audited
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Baseline" in page and "Calibration" in page
    assert "calibration" in said and str(folder / "report.html") in re.sub(r"\n", "", said)
    again = in_process("report", folder)
    assert again.exit_code == 0 and (folder / "report.html").read_text(encoding="utf-8") == page


def test_the_command_does_it_again(audited, monkeypatch):
    """Word for word, and without asking anybody anything: it is finished."""
    import shlex

    words = shlex.split(read_run(audited[0]).results["command"])
    assert words[:2] == ["limbeck", "audit"]
    monkeypatch.setattr(TransformersEngine, "generate", None)
    done = in_process(*words[1:])
    assert done.exit_code == 0 and "finished" in done.output


def test_every_text_is_compared(school):
    texts = school.results["audit"]["tokens"]["student"]
    assert set(texts) == {"data", "teacher", "student"}
    for found in texts.values():
        assert found["tokens"] == sum(g["tokens"] for g in found["by_position"])
        assert found["tokens"] == sum(g["tokens"] for g in found["by_rarity"])
        assert 0 <= found["jsd"]["value"] <= 0.6932


def test_what_the_models_wrote_instead_of_them(school, tmp_path):
    files = {arm: school.path / f"items/{arm}.parquet" for arm in ("teacher", "student", "sft")}
    files["baseline"] = files.pop("sft")
    done = audit(tmp_path / "out", **files)
    assert done.exit_code == 0, done.output
    own = read_run(tmp_path / "out").results
    theirs = school.results
    assert own["audit"]["agreement"]["student"] == theirs["audit"]["agreement"]["student"]
    assert own["recovered"] == theirs["recovered"] and "tokens" not in own["audit"]
    assert any("token by token" in words for words in own["audit"]["not_measured"])


def test_outputs_of_other_origin_scored_by_the_data(school, tmp_path):
    """Prompts and texts alone, in another order, with rows that were not asked for."""
    rows = pq.read_table(school.path / "items/teacher.parquet").to_pylist()
    (tmp_path / "said.jsonl").write_text(
        "".join(
            json.dumps({"prompt": r["prompt"], "output": r["output"]}) + "\n" for r in rows[::-1]
        )
        + json.dumps({"prompt": "another", "output": "1"})
        + "\n"
    )
    done = of_run(school, tmp_path / "out", *SAME, teacher=tmp_path / "said.jsonl")
    assert done.exit_code == 0, done.output
    own = read_run(tmp_path / "out").results
    same = school.results["evaluation"]["metrics"]["teacher"]["accuracy"]
    assert own["evaluation"]["metrics"]["teacher"]["accuracy"] == same


def test_every_row_of_a_file_is_compared_on(school, tmp_path):
    rows = [
        {"prompt": f"{a}+{a}", "completion": f"{2 * a}", "answer": f"{2 * a}"} for a in range(1, 9)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    words = ["data.verifier=last_number", "evaluate.max_new_tokens=4", "evaluate.samples=0"]
    done = of_run(school, tmp_path / "out", *words, data=tmp_path / "data.jsonl")
    assert done.exit_code == 0, done.output
    own = read_run(tmp_path / "out").results
    assert own["evaluation"]["items"] == own["data"]["compared"] == 8
    assert any("subdomains" in words for words in own["audit"]["not_measured"])


def test_prompts_without_answers(school, tmp_path):
    """Nothing is right or wrong; both models' texts are still compared."""
    (tmp_path / "data.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{a}+1"}) + "\n" for a in range(9))
    )
    words = ["evaluate.max_new_tokens=4", "evaluate.sampled_items=3"]
    done = of_run(school, tmp_path / "out", *words, data=tmp_path / "data.jsonl")
    assert done.exit_code == 0, done.output
    found = read_run(tmp_path / "out").results["audit"]["tokens"]["student"]
    assert set(found) <= {"teacher", "student"} and "teacher" in found


def test_interrupted_it_goes_on(school, tmp_path, monkeypatch):
    def dies(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("limbeck.run.measure.positions", dies)
        assert of_run(school, tmp_path / "out", *SAME).exit_code != 0
    asked, generate = [], TransformersEngine.generate
    monkeypatch.setattr(
        TransformersEngine, "generate", lambda *a, **k: asked.append(1) or generate(*a, **k)
    )
    assert of_run(school, tmp_path / "out", *SAME).exit_code == 0
    assert not asked, "the answers were there"


def test_items_are_parted_by_losses_from_elsewhere(school, tmp_path):
    files = {arm: school.path / f"items/{arm}.parquet" for arm in ("teacher", "student")}
    files["baseline"] = school.path / "items/sft.parquet"
    rows = pq.read_table(files["student"]).to_pylist()
    file = tmp_path / "losses.jsonl"

    def write(n):
        lines = [
            {"id": r["key"], "student": 1.0, "teacher": 2.0 * (i < 5)} for i, r in enumerate(rows)
        ]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines[::-1][n:]))

    write(0)
    done = audit(tmp_path / "out", losses=file, **files)
    assert done.exit_code == 0, done.output
    parts = read_run(tmp_path / "out").results["audit"]["subdomains"]
    assert parts["loss"]["mass_sfs"] == 5 / len(rows) != parts["correctness"]["mass_sfs"]
    write(1)
    done = audit(tmp_path / "other", losses=file, **files)
    assert done.exit_code == 2 and "missing" in done.output and tree(tmp_path / "other") is None
    del files["baseline"]
    done = audit(tmp_path / "other", losses=file, **files)
    assert done.exit_code == 2 and "--baseline" in done.output


def test_a_student_that_gives_no_numbers(school, tmp_path):
    """Weights of a training that went wrong: the audit ends, and says so."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    broken = AutoModelForCausalLM.from_pretrained(school.student)
    with torch.no_grad():
        broken.lm_head.weight[3] = float("nan")
    broken.save_pretrained(tmp_path / "broken")
    AutoTokenizer.from_pretrained(school.student).save_pretrained(tmp_path / "broken")
    done = of_run(
        school, tmp_path / "out", "data.test_rows=6", *SAME,
        student=tmp_path / "broken", data="chain_arithmetic", baseline=school.path / "arms/sft",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "logits are not numbers" in " ".join(done.output.split())
    assert not (tmp_path / "out/results.json").exists()


def file_of(tmp_path, rows, name="x.parquet"):
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    return tmp_path / name


ROW = {"id": "a", "output": "1", "correct": True}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "a", "correct": True}], ["no output", "output"]),
        ([{"output": "1", "correct": True}], ["which outputs belong together", "id"]),
        ([{"id": "a", "output": "1"}], ["whether its output is correct", "--data"]),
        ([ROW, ROW], ["more than once", "'a'"]),
        ([ROW | {"id": "b"}], ["missing", "'a'", "'b'"]),
    ],
)
def test_files_that_cannot_be_compared(tmp_path, rows, words):
    good = file_of(tmp_path, [ROW], "good.parquet")
    done = audit(tmp_path / "out", teacher=good, student=file_of(tmp_path, rows))
    assert done.exit_code == 2 and tree(tmp_path / "out") is None
    assert all(word in " ".join(done.output.split()) for word in words), done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["training.max_steps=3"], ["no use for training"]),
        (["evaluate.tasks=[gsm8k]"], ["knows no tasks", "limbeck eval"]),
        (["evaluate.sample=3"], ["samples"]),
        (["data.test_rows=0"], ["no row"]),
    ],
)
def test_words_that_an_audit_has_no_use_for(school, tmp_path, words, said):
    done = of_run(school, tmp_path / "out", *words)
    assert done.exit_code == 2 and tree(tmp_path / "out") is None
    assert all(word in " ".join(done.output.split()) for word in said), done.output


def test_models_of_no_run_need_data(school, tmp_path):
    done = audit(
        tmp_path / "out", teacher=school.path / "teacher", student=school.path / "arms/sft"
    )
    assert done.exit_code == 2 and "--data" in done.output and tree(tmp_path / "out") is None


def test_words_about_a_file_of_outputs(school, tmp_path):
    file = school.path / "items/teacher.parquet"
    done = of_run(school, tmp_path / "out", "teacher.dtype=bfloat16", teacher=file)
    assert done.exit_code == 2 and "file of outputs" in done.output
    done = audit(tmp_path / "out", "evaluate.samples=1", teacher=file, student=file)
    assert done.exit_code == 2 and "scored already" in done.output
