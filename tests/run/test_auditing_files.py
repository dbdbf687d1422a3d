"""``limbeck audit`` on saved outputs, and the folders that it writes to."""

import json

import pytest

from limbeck.run import read_run
from run.test_auditing import audit
from run.tiny import tree

ROWS = [{"prompt": f"{a}+{a}=", "answer": str(2 * a)} for a in range(1, 13)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def outputs(path, wrong, **more):
    """What a model says: the right number in words of its own, but for some items."""
    rows = [
        {"id": i, "output": f"{path.stem} says {2 * (i + 1)}", "correct": i not in wrong}
        for i in range(len(ROWS))
    ]
    return write(path, [row | {key: f(i) for key, f in more.items()} for i, row in enumerate(rows)])


@pytest.fixture
def files(tmp_path):
    wrong = {"teacher": {0}, "student": {0, 1, 2}, "baseline": {1, 2, 3, 4}}
    return {arm: outputs(tmp_path / f"{arm}.jsonl", items) for arm, items in wrong.items()}


def test_right_answers_are_the_same_answer_however_they_are_written(files, tmp_path):
    """Or else two models that are right in other words would seem to agree on nothing."""
    assert audit(tmp_path / "out", **files).exit_code == 0
    found = read_run(tmp_path / "out").results["audit"]["agreement"]["student"]
    assert found["both_right"] == 9 and found["same"]["value"] == 9 / 12


def test_files_are_scored_by_data_where_no_model_is_left(tmp_path):
    sides = {
        arm: write(
            tmp_path / f"{arm}.jsonl",
            [{"prompt": r["prompt"], "output": f"it is {int(r['answer']) + wrong}"} for r in ROWS],
        )
        for arm, wrong in (("teacher", 0), ("student", 1))
    }
    data = write(tmp_path / "data.jsonl", ROWS)
    done = audit(tmp_path / "out", "data.verifier=last_number", data=data, **sides)
    assert done.exit_code == 0, done.output
    own = read_run(tmp_path / "out").results
    scores = {arm: m["accuracy"]["value"] for arm, m in own["evaluation"]["metrics"].items()}
    assert scores == {"teacher": 1.0, "student": 0.0} and own["data"]["compared"] == 12
    done = audit(tmp_path / "other", "evaluate.samples=2", data=data, **sides)
    assert done.exit_code == 2 and "written already" in done.output
    done = audit(tmp_path / "other", "data.verifyer=last_number", data=data, **sides)
    assert done.exit_code == 2 and "did you mean verifier" in done.output
    assert tree(tmp_path / "other") is None


def test_items_of_one_document_are_not_independent(tmp_path):
    """Every test of the report knows it, and the intervals of scores do."""
    wrong = {"teacher": {0}, "baseline": {0, 1}, "student": set(range(6))}
    files = {
        arm: outputs(tmp_path / f"{arm}.jsonl", items, document=lambda i: f"text {i // 6}")
        for arm, items in wrong.items()
    }
    assert audit(tmp_path / "out", **files).exit_code == 0
    own = read_run(tmp_path / "out").results
    assert own["evaluation"]["metrics"]["student"]["accuracy"]["clusters"] == 2
    assert own["audit"]["agreement"]["student"]["same"]["clusters"] == 2
    assert all(row["clusters"] == 2 and row["p"] >= 0.5 for row in own["comparisons"])
    assert own["detectable"] is None


def test_half_a_surrogate_pair_is_kept_as_its_number(files, tmp_path):
    rows = [json.loads(line) for line in files["student"].read_text().splitlines()]
    write(files["student"], [rows[0] | {"output": "\ud800 is 2"}, *rows[1:]])
    done = audit(tmp_path / "out", **files)
    assert done.exit_code == 0, done.output
    assert "\\ud800 is 2" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_no_folder_of_something_else_is_written_into(files, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text("seed: 0")
    (tmp_path / "run/results.json").write_text("{}")
    (tmp_path / "file").write_text("mine")
    before = tree(tmp_path)
    for place in ("run", "file", "file/below"):
        for fresh in ((), ("--fresh",)):
            done = audit(tmp_path / place, *fresh, **files)
            assert done.exit_code == 2 and "error: the output" in done.output, done.output
    assert tree(tmp_path) == before


def test_an_audit_of_other_files_is_not_written_over(files, tmp_path):
    assert audit(tmp_path / "out", **files).exit_code == 0
    assert audit(tmp_path / "out", **files).exit_code == 0, "the same again"
    before = tree(tmp_path / "out")
    del files["baseline"]
    done = audit(tmp_path / "out", **files)
    assert done.exit_code == 2 and "--fresh" in done.output and tree(tmp_path / "out") == before
    assert audit(tmp_path / "out", "--fresh", **files).exit_code == 0
    assert not (tmp_path / "out/items/sft.parquet").exists()
