"""A local teacher's text alone, and the run that goes on from it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck.data import DataSpec, character_tokenizer, load_examples
from limbeck.data.verify import after_marker
from limbeck.engines.transformers import TransformersEngine
from limbeck.recipe import parse_recipe
from limbeck.run.responses import SCHEMA, figures, lengths
from run.tiny import DATA, STUDENT, invoke, request, work, write

ROWS = {**DATA, "rows": 32, "labelled": 8}
# Untrained, but not all alike: some of its answers end.
TEACHER = {"config": {**STUDENT["config"], "initializer_range": 0.2}, "tokenizer": "characters"}
SMALL = {
    "teacher": TEACHER,
    "data": ROWS,
    "method": {"name": "kd", "source": "teacher"},
    "generation": {"max_new_tokens": 24, "batch_size": 8, "num_return_sequences": 3},
    "training__max_steps": 2,
    "evaluate": {"max_new_tokens": 4, "max_items": 4, "samples": 0},
}


def table(output):
    return pq.read_table(output / "responses.parquet")


@pytest.fixture
def asked(monkeypatch):
    """Prompts that a model in this process was asked to continue, call by call."""
    calls, original = [], TransformersEngine.generate

    def counted(self, prompts, sampling, seed):
        calls.append(list(prompts))
        return original(self, prompts, sampling, seed)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    return calls


def test_the_run_goes_on_from_the_text(asked, tmp_path):
    """Copies of a prompt get other samples, and the students are trained on what is kept."""
    mapping = request(tmp_path / "run", **SMALL)
    found = work(mapping, command="generate")
    assert sum(map(len, asked)) == 96 == len(found.rows)
    texts = [[r["response"] for r in found.rows if r["example"] == i] for i in range(32)]
    assert sum(len(set(three)) == 3 for three in texts) > 16, "copies are answered alike"
    written = table(tmp_path / "run")
    assert written.schema.equals(SCHEMA) and written.to_pylist() == found.rows
    gold = load_examples(DataSpec(**ROWS)).train
    for row in found.rows:
        example = gold[row["example"]]
        assert (row["prompt"], row["key"]) == (example.prompt, example.key)
        assert row["correct"] == after_marker(row["response"], example.answer)
        assert row["tokens"] == 24 or row["finished"]
        assert row["verdict"] != "wrong" and (row["verdict"] == "unfinished") != row["finished"]
    kept = [r["example"] for r in found.rows if r["verdict"] == "kept"]
    assert 0 < len(kept) < 96

    asked.clear()
    run = work(mapping)
    generated = [len(p) for prompts in asked for p in prompts]
    assert len(generated) == 3 * 4, "more than the evaluation of three models was written"
    assert pq.read_table(run.path / "rounds/000/text.parquet")["example"].to_pylist() == kept
    text = run.results["text"]
    assert {k: text[k] for k in figures(found.rows)} == figures(found.rows)
    assert text["answers"] == 96 and text["answered_by_teacher"] == 32 == text["prompts"]
    assert text["kept"] == text["sequences"] == len(kept) == found.trained
    assert text["tokens_generated"] == sum(r["tokens"] for r in found.rows)
    assert f"{len(kept)}" in run.report.read_text().split("that are kept for training")[1][:60]

    asked.clear()
    (tmp_path / "run/responses.parquet").unlink()
    assert work(mapping, command="generate").rows == found.rows and not asked
    assert table(tmp_path / "run").equals(written)


def test_one_answer_is_what_it_always_was(tmp_path):
    """The journal of a run without the new keys is found again: nothing is written twice."""
    one = {**SMALL, "generation": {"max_new_tokens": 24, "batch_size": 8}}
    run = work(request(tmp_path / "run", **one))
    entries = (run.path / "rounds/000/teacher.jsonl").read_text().splitlines()[1:]
    text = run.results["text"]
    assert text["answers"] == text["answered_by_teacher"] == len(entries) == 32
    assert text["finished"] == text["kept"] == sum(json.loads(e)["finished"] for e in entries)
    assert text["wrong"] == text["duplicates"] == 0
    assert "said before" not in run.report.read_text()


def test_the_teacher_is_made_ready_first(tmp_path):
    """As `limbeck distill` would, and only once; the student is left alone."""
    training = {"max_steps": 3, "use_cpu": True}
    mapping = request(tmp_path / "run", **SMALL)
    mapping["teacher"] = {**TEACHER, "sft": {"training": training}}
    mapping["student"] = {**STUDENT, "sft": {"training": training}}
    work(mapping, command="generate")
    stages = json.loads((tmp_path / "run/manifest.json").read_text())["stages"]
    assert any("teacher" in name for name in stages) and "generate" in stages
    assert (tmp_path / "run/teacher/model.safetensors").exists()
    assert not (tmp_path / "run/start").exists() and not (tmp_path / "run/student").exists()


def test_another_tokenizer_reads_the_text(tmp_path):
    """Columns are of the teacher's text; the student's ids are its own."""
    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(tmp_path / "other")
    mapping = request(tmp_path / "run", **{**SMALL, "method": "seqkd"})
    mapping["teacher"] = {**TEACHER, "tokenizer": str(tmp_path / "other")}
    found = work(mapping, command="generate")
    assert len(found.rows) == 96 and found.trained > 0
    assert all("<eos>" not in r["response"] for r in found.rows)


def test_conversations_are_kept_as_json(tmp_path):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1="}]
    rows = [{"prompt": [turns[0], {"role": "user", "content": f"{i}+1="}]} for i in range(40)]
    (tmp_path / "chats.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changes = {"data": {"source": str(tmp_path / "chats.jsonl"), "test": 0.2}, "method": "seqkd"}
    mapping = request(tmp_path / "run", **{**SMALL, **changes})
    found = work(mapping, command="generate")
    prompt = json.loads(found.rows[0]["prompt"])
    assert prompt[0] == turns[0] and prompt[1]["content"].endswith("+1=")
    assert {r["correct"] for r in found.rows} == {None}
    assert table(tmp_path / "run")["correct"].type == pa.bool_()
    assert figures(found.rows)["correct"] is None


def test_answers_that_do_not_fit_are_told(tmp_path):
    """They are kept in the table, and not trained on."""
    longest = max(len(e.prompt) for e in load_examples(DataSpec(**ROWS)).train)
    mapping = request(tmp_path / "run", **{**SMALL, "method": "seqkd"})
    mapping["data"] = {**ROWS, "max_length": longest + 6}
    recipe = write(tmp_path / "r.yaml", mapping)
    done = invoke("generate", recipe)
    assert done.exit_code == 0, done.output
    found = work(mapping, command="generate")
    too_long = sum(r["verdict"] == "kept" for r in found.rows) - found.trained
    assert too_long > 0 and f"too long   {too_long} of the kept" in done.stdout


def test_lengths_are_of_what_is_kept():
    rows = [{"verdict": "kept", "tokens": n} for n in (1, 2, 3, 10)]
    rows.append({"verdict": "wrong", "tokens": 500})
    found = lengths(rows)
    assert found == pytest.approx({"min": 1, "median": 2.5, "mean": 4, "95%": 8.95, "max": 10})
    assert lengths(rows[-1:]) is None


def test_the_writer_that_the_recipe_names_is_unchanged_by_the_new_keys():
    """An engine is asked for one completion a prompt; the copies are ours."""
    sampling = parse_recipe(request("runs/x", **SMALL)).generation.sampling()
    assert sampling.max_new_tokens == 24 and not hasattr(sampling, "num_return_sequences")
