"""What a teacher that rewrites cannot be asked for, and what the doctor says of it."""

import json
import random

import pytest
from benchmarks.tutor import PROMPTS, problems

from limbeck.bench import open_bench
from limbeck.errors import LimbeckError, RequestError
from limbeck.recipe import parse_recipe
from limbeck.run.distill import check
from limbeck.run.exam import open_exam
from run.school import data, undo
from run.tiny import invoke, work, write
from served.hostile import Hostile

pytestmark = pytest.mark.usefixtures("problem_files")


def refused(mapping):
    with pytest.raises(RequestError) as caught:
        check(mapping, [])
    assert caught.value.where and caught.value.mend
    return caught.value


def recipe(server, tmp_path, **changes):
    return write(tmp_path / "r.yaml", undo(server, tmp_path / "run", **changes))


def test_an_empty_diagnosis_set(server, tmp_path):
    error = refused(recipe(server, tmp_path, data=data(tmp_path, validation=0.0)))
    assert "diagnosis set is empty" in error.what and "data.validation" in error.mend


def test_nothing_left_to_select_by(server, tmp_path):
    error = refused(recipe(server, tmp_path, method={"diagnosis": 12}))
    assert "none is left to choose" in error.what


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_diagnosis_set_that_overlaps_is_refused_with_the_rows(server, tmp_path, split):
    lines = (tmp_path / f"{split}.jsonl").read_text().splitlines()[3:5]
    own = [json.dumps(row) for row in problems(random.Random(1), 3, swaps=5)]
    file = tmp_path / "diagnosis.jsonl"
    file.write_text("\n".join([*own, *lines]) + "\n")
    error = refused(recipe(server, tmp_path, diagnosis={"source": str(file)}))
    assert f"2 diagnosis problems are also {split} rows" in error.what
    assert f"{split} row 4: " in error.where and json.loads(lines[0])["prompt"] in error.where
    done = invoke("distill", tmp_path / "r.yaml")
    assert done.exit_code == 2 and not (tmp_path / "run").exists()


def test_a_diagnosis_set_of_its_own(server, tmp_path):
    file = tmp_path / "diagnosis.jsonl"
    own = [json.dumps(row) for row in problems(random.Random(1), 4, swaps=4)]
    file.write_text("\n".join(own) + "\n")
    run = work(undo(server, tmp_path / "run", diagnosis={"source": str(file)}))
    first = run.results["training"]["student"]["rounds"][0]
    assert sum(first["tags"].values()) == 4 and first["selection"]["n"] == 12


def test_rows_without_answers(server, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "".join(json.dumps({"prompt": f"{i}+1=", "completion": "x"}) + "\n" for i in range(40))
    )
    error = refused(recipe(server, tmp_path, data={"source": str(file), "verifier": "last_number"}))
    assert "a verifier compares with gold answers" in error.what and "answer" in error.mend


def test_a_context_too_small_for_one_record(server, tmp_path):
    error = refused(recipe(server, tmp_path, method={"context": 100}))
    assert "too small for one record" in error.what and "method.context" in error.where


def test_a_problem_is_in_one_set_only(server, tmp_path):
    """Also where the data has it twice, with other words."""
    lines = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    twice = [{**r, "completion": f"{c}#{r['answer']}"} for r in lines for c in "xy"]
    (tmp_path / "validation.jsonl").write_text("".join(json.dumps(r) + "\n" for r in twice))
    exam = open_exam(open_bench(parse_recipe(undo(server, tmp_path / "run"))))
    keys = [e.key for part in (exam.diagnosis, exam.selection) for e in part.examples]
    assert len(keys) == len(set(keys)) == 12


def test_an_answer_that_leaves_no_room_for_the_record(server, tmp_path):
    mapping = recipe(server, tmp_path, method={"context": 1000}, generation={"max_new_tokens": 900})
    assert "too small for one record" in refused(mapping).what


@pytest.mark.parametrize("method", [{"rounds": 0}, {"feedback": "resample"}, {"feedback": "blind"}])
def test_without_a_record_no_window_is_too_small(server, tmp_path, method):
    check(recipe(server, tmp_path, method={"context": 100, **method}), [])


def test_prompts_that_hide_the_attempt_are_refused_where_it_matters(server, tmp_path):
    words = tmp_path / "words"
    words.mkdir()
    for file in PROMPTS.iterdir():
        text = file.read_text().replace("(attempt.text if attempt else none)", "none")
        (words / file.name).write_text(text)
    check(recipe(server, tmp_path, prompts=str(words)), [])
    error = refused(recipe(server, tmp_path, prompts=str(words), method={"mode": "failed"}))
    assert "the refine prompt leaves it out" in error.what


def test_a_control_that_is_none(server, tmp_path):
    with pytest.raises(RequestError, match=r"gold, labelled, longer, resample, shuffled, blind"):
        parse_recipe(undo(server, tmp_path / "run", controls=["bllind"]))


def test_a_server_of_conversations_only(server, tmp_path):
    """It lists no models, so the doctor asks it something: as the method will."""
    with Hostile(lambda prompt: "Hello", chat_only=True, listing=False) as hostile:
        mapping = undo(hostile, tmp_path / "run", teacher={"model": "teacher"})
        (found,) = [
            f for f in check(write(tmp_path / "r.yaml", mapping), []) if f.check == "server"
        ]
    assert found.status == "ok" and "messages" in hostile.bodies[0]


def test_a_verifier_that_rejects_everything_stops_with_examples(server, tmp_path):
    data_ = data(tmp_path, verifier="boxed")  # and the tutor knows nothing of boxes
    with pytest.raises(LimbeckError) as caught:
        work(undo(server, tmp_path / "run", data=data_))
    assert "rejects every answer" in caught.value.what
    assert str(caught.value.where).count("question") == 3
    assert server.requests == 29, "a retry would have been paid for"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"generation": {"temperature": 0.5}}, "generation.temperature"),
        ({"generation": {"num_return_sequences": 2}}, "generation.num_return_sequences"),
        ({"method": {"name": "seqkd"}, "prompts": "maths", "diagnosis": "d.jsonl"}, "diagnosis"),
        ({"method": {"name": "seqkd"}, "prompts": "commonsense"}, "prompts"),
        ({"method": {"name": "seqkd"}, "prompts": "maths", "controls": ["blind"]}, "controls"),
        ({"teacher": {"server": None, "model": None, "cache": "folder"}}, "teacher.cache"),
        ({"data": {"source": "rows.jsonl"}}, "data.verifier"),
    ],
)
def test_keys_that_nobody_reads(server, tmp_path, changes, where):
    mapping = undo(server, tmp_path / "run", **changes)
    if mapping["method"]["name"] == "seqkd":
        mapping["method"] = "seqkd"
    with pytest.raises(RequestError) as caught:
        parse_recipe(mapping)
    assert where in str(caught.value.where)


def test_changed_prompts_are_noticed(server, tmp_path):
    """Half a run with other words would be another experiment."""
    folder = tmp_path / "words"
    folder.mkdir()
    for file in PROMPTS.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    mapping = undo(server, tmp_path / "run", prompts=str(folder))
    run = work(mapping)
    (run.path / "results.json").unlink()
    (folder / "solve.system.j2").write_text("Other words.\n")
    with pytest.raises(RequestError, match="prompts changed"):
        work(mapping)


def test_the_doctor_says_what_rounds_are_chosen_by(server, tmp_path):
    (found,) = [f for f in check(recipe(server, tmp_path), []) if f.check == "rounds"]
    assert found.status == "warn" and "5 problems for the learner's record, 7 to" in found.what
    assert "within 37 points" in found.why and "data.validation" in found.mend
