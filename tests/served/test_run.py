"""A whole run with a teacher behind an API, and requests that no server can serve."""

import json
import signal

import pyarrow.parquet as pq
import pytest

from limbeck.bench import open_bench
from limbeck.data import DataSpec, load_examples
from limbeck.errors import LimbeckError, RequestError
from limbeck.recipe import parse_recipe
from limbeck.run.distill import check
from run.tiny import DATA, MODEL, invoke, request, start, weights_hash, work, write
from served.hostile import Hostile, sometimes

KEY = "sk-a-secret-that-no-file-may-hold"
SHORT = {
    "training__max_steps": 4,
    "training__eval_steps": 2,
    "training__logging_steps": 2,
    "training__save_steps": 2,
    "evaluate": {"max_new_tokens": 16, "max_items": 12, "samples": 0},
    "generation": {"max_new_tokens": 30, "temperature": 0.5},
    "data__labelled": 16,
}


@pytest.fixture(scope="module")
def gold():
    """Every prompt of the data and the right answer to it."""
    found = load_examples(DataSpec(**DATA))
    rows = [e for split in ("train", "validation", "test") for e in getattr(found, split)]
    return {e.prompt: e.completion or e.hidden for e in rows}


@pytest.fixture
def server(gold):
    with Hostile(lambda prompt: gold.get(prompt, "Hello to you")) as server:
        yield server


@pytest.fixture(autouse=True)
def no_key_from_outside(monkeypatch):
    for name in ("LIMBECK_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def served(server, output, **changes):
    teacher = {"server": server.url, "model": "teacher", **changes.pop("teacher", {})}
    return request(output, **{**SHORT, "method": "seqkd", "teacher": teacher} | changes)


def holds(folder, text):
    return [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_a_run_from_recipe_to_report(server, tmp_path):
    prices = {"input": 10.0, "output": 30.0}
    mapping = served(server, tmp_path / "run", teacher={"prices": prices})
    run = work(mapping)
    found = run.results
    assert found["models"]["teacher"]["source"] == f"teacher at {server.url}"
    assert found["text"]["answered_by_teacher"] == found["text"]["finished"] == 96
    assert found["text"]["correct"] == 1.0
    metrics = found["evaluation"]["metrics"]
    assert metrics["teacher"]["accuracy"]["value"] == 1.0
    assert "bits_per_byte" not in metrics["teacher"] and "bits_per_byte" in metrics["student"]
    costs = found["costs"]["teacher"]
    tokens = sum(len(b["prompt"].split()) for b in server.bodies)
    assert costs["answers"] == 96 + 12 == len(server.bodies) and costs["tokens_in"] == tokens
    money = (10 * costs["tokens_in"] + 30 * costs["tokens_out"]) / 1e6
    assert costs["money"] == pytest.approx(money) and money > 0
    page = run.report.read_text()
    assert "money it cost" in page and "tokens of its answers" in page
    # The student's ids of the teacher's text are those of the same rows with completions, the end
    # of sequence included: a student that never sees it never stops.
    labelled = {**mapping, "data": DATA}
    rows = pq.read_table(run.path / "rounds/000/text.parquet").to_pydict()
    sequences = open_bench(parse_recipe(labelled)).sequences["train"]
    assert rows["completion"] == [list(s.completion) for s in sequences] and all(rows["completion"])
    assert rows["prompt"] == [list(s.prompt) for s in sequences]
    assert set(rows["author"]) == {"teacher"}


def test_conversations_are_asked_as_such_and_read_with_the_students_template(server, tmp_path):
    data = {**DATA, "chat": True, "system": "Be exact."}
    mapping = served(server, tmp_path / "run", data=data, evaluate={"max_items": 2})
    mapping["student"]["config"] = {**MODEL, "max_position_embeddings": 128}
    run = work(mapping)
    for body in server.bodies:
        system, user = body["messages"]
        assert system == {"role": "system", "content": "Be exact."} and user["role"] == "user"
    rows = pq.read_table(run.path / "rounds/000/text.parquet").to_pydict()
    sequences = open_bench(parse_recipe(mapping)).sequences["train"]
    assert rows["completion"] == [list(s.completion) for s in sequences] and all(rows["completion"])


def test_cut_answers_are_left_out(server, tmp_path):
    server.finish_reason = "length"
    with pytest.raises(LimbeckError, match="no answer of the teacher came to an end"):
        work(served(server, tmp_path / "run"))


def test_the_key_is_sent_and_never_written(server, tmp_path, monkeypatch):
    """A manifest is published with its model."""
    server.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("LIMBECK_API_KEY", KEY)
    server.faults = sometimes(0.2, ("429", "500", "broken"))
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run"))
    done = invoke("distill", recipe)
    assert done.exit_code == 0, done.output
    assert not holds(tmp_path, KEY) and KEY not in done.output and len(server.served) == 108


def test_the_key_is_in_no_message(server, tmp_path, monkeypatch):
    """This server repeats a wrong key in its error, as some do."""
    server.key = "the right one"
    monkeypatch.setenv("LIMBECK_API_KEY", KEY)
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run"))
    done = invoke("distill", recipe, "--debug")
    assert done.exit_code == 2 and "refuses the key in LIMBECK_API_KEY" in done.output
    assert KEY not in done.output and not holds(tmp_path, KEY) and not (tmp_path / "run").exists()


def test_the_budget_stops_the_run_and_a_raised_one_goes_on(server, tmp_path):
    whole = work(served(server, tmp_path / "whole"))
    server.served.clear()
    output = tmp_path / "run"
    recipe = write(tmp_path / "r.yaml", served(server, output))
    stopped = invoke("distill", recipe, "teacher.budget.tokens=90", "teacher.concurrency=2")
    assert stopped.exit_code == 1 and "the budget is spent" in stopped.output
    assert "raise teacher.budget" in stopped.output
    paid = sum(server.served.values())
    assert 0 < paid < 96
    resumed = invoke("distill", recipe, "teacher.budget.tokens=100000")
    assert resumed.exit_code == 0, resumed.output
    assert set(server.served.values()) == {1} and len(server.served) == 108
    assert weights_hash(output) == weights_hash(whole.path)
    assert "tokens: 100000" in (output / "recipe.yaml").read_text()


def test_what_was_answered_outlives_the_server_and_fresh(server, tmp_path, monkeypatch):
    """After its text is there a run needs no server; and starting over pays for nothing again."""
    mapping = served(server, tmp_path / "run")
    first, asked = weights_hash(work(mapping).path), len(server.bodies)
    recipe = write(tmp_path / "r.yaml", mapping)
    assert invoke("distill", recipe, "--fresh").exit_code == 0 and len(server.bodies) == asked
    assert weights_hash(tmp_path / "run") == first
    (tmp_path / "run/results.json").unlink()
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    manifest["stages"] = {k: manifest["stages"][k] for k in ("text", "evaluate teacher")}
    (tmp_path / "run/manifest.json").write_text(json.dumps(manifest))
    mapping["teacher"]["server"] = "http://127.0.0.1:9/v1"  # nobody is there
    assert weights_hash(work(mapping).path) == first
    assert len(server.bodies) == asked


def test_killed_in_the_middle_and_resumed_nothing_is_asked_twice(server, tmp_path):
    """The kill comes when an answer has been stored and before the next is asked."""
    whole = work(served(server, tmp_path / "whole"))
    server.served.clear()
    mapping = served(server, tmp_path / "run", teacher={"concurrency": 1})
    child = start(mapping, kill=("limbeck.sources.budget:Spent.plus", "", 20))
    child.join()
    assert child.exitcode == -signal.SIGKILL and sum(server.served.values()) == 20
    assert weights_hash(work(mapping).path) == weights_hash(whole.path)
    assert set(server.served.values()) == {1} and len(server.served) == 108


# Requests that no server can serve


def refused(server, output, **changes):
    with pytest.raises(RequestError) as caught:
        parse_recipe(served(server, output, **changes))
    error = caught.value
    assert error.where and error.mend and "\n" not in error.what + error.where + error.mend
    return error


@pytest.mark.parametrize("method", ["gkd", "distillm2", "skd", {"name": "kd", "temperature": 2.0}])
def test_a_method_that_reads_probabilities_is_refused(server, tmp_path, method):
    error = refused(server, tmp_path, method=method, generation=None)
    assert "probabilities" in error.what and "seqkd" in error.mend


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"teacher": {"server": "localhost:8000"}}, "teacher.server"),
        ({"teacher": {"server": "http://"}}, "teacher.server"),
        ({"teacher": {"server": "http://me:secret@host/v1"}}, "teacher.server"),
        ({"teacher": {"server": "http://host/v1?key=secret"}}, "teacher.server"),
        ({"teacher": {"model": None}}, "teacher.model"),
        ({"teacher": {"dtype": "bfloat16"}}, "teacher.dtype"),
        ({"teacher": {"sft": {}}}, "teacher.sft"),
        ({"teacher": {"budget": {"money": 1.0}}}, "teacher.budget.money"),
        ({"teacher": {"model": "x", "server": None, "budget": {"tokens": 5}}}, "teacher.budget"),
        ({"student__server": "http://host/v1"}, "student.server"),
        ({"generation": {"top_k": 5}}, "generation.top_k"),
        ({"generation": {"num_beams": 5}}, "generation.num_beams"),
        ({"generation": {"batch_size": 5}}, "generation.batch_size"),
    ],
)
def test_keys_that_do_not_fit_are_refused(server, tmp_path, changes, where):
    error = refused(server, tmp_path, **changes)
    assert error.where == where and "secret" not in str(error)


@pytest.mark.parametrize("budget", [{}, {"tokens": 0}, {"money": -1}, {"tokens": 5, "dollars": 1}])
def test_a_budget_is_positive_and_of_something(server, tmp_path, budget):
    assert "budget" in str(refused(server, tmp_path, teacher={"budget": budget}))


# What the doctor finds at the server


def finding(server, tmp_path, *, status="fail", **changes):
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run", **changes))
    (found,) = [f for f in check(recipe, []) if f.check == "server"]
    assert found.status == status, found
    return found


def test_the_doctor_finds_the_model(server, tmp_path):
    assert "offers teacher" in finding(server, tmp_path, status="ok").what
    assert not server.bodies, "it paid for that"


def test_an_unknown_model_is_named_beside_those_that_are_there(server, tmp_path):
    found = finding(server, tmp_path, teacher={"model": "teecher"})
    assert "'teecher'" in found.what and "teacher" in found.mend


def test_a_model_may_be_served_without_being_listed(server, tmp_path):
    server.listing = False
    assert "but it answers" in finding(server, tmp_path, status="ok").what
    assert [b["max_tokens"] for b in server.bodies] == [1]


def test_a_wrong_path_and_a_closed_port(server, tmp_path):
    found = finding(server, tmp_path, teacher={"server": server.url.removesuffix("/v1")})
    assert "nothing answers" in found.what and "/v1" in found.mend
    found = finding(server, tmp_path, teacher={"server": "http://127.0.0.1:9/v1"})
    assert "no answer" in found.what and "127.0.0.1:9" in found.why and "running" in found.mend


def test_a_missing_key_is_asked_for(server, tmp_path):
    server.key = KEY
    found = finding(server, tmp_path)
    assert found.what == "the server wants a key" and "LIMBECK_API_KEY" in found.mend


def test_a_server_without_text_completions(server, tmp_path):
    """It lists the model, so it is found when the first row is asked."""
    server.chat_only = True
    with pytest.raises(LimbeckError) as caught:
        work(served(server, tmp_path / "run"))
    assert "no text completions" in caught.value.what and "data.chat" in caught.value.mend


def test_nothing_is_written_for_a_server_that_is_not_there(tmp_path, server):
    mapping = served(server, tmp_path / "run", teacher={"server": "http://127.0.0.1:9/v1"})
    done = invoke("distill", write(tmp_path / "r.yaml", mapping))
    assert done.exit_code == 2 and not (tmp_path / "run").exists()
