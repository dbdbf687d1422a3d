"""Rounds of a teacher that rewrites: whole runs against a real HTTP server."""

import itertools
import json
import random
import signal
import sqlite3
from collections import Counter

import pyarrow.parquet as pq
import pytest
from benchmarks.tutor import CUPS, PROMPTS, TutorServer, problems

from limbeck.bench import open_bench
from limbeck.errors import LimbeckError, RequestError
from limbeck.recipe import parse_recipe
from limbeck.run.distill import check
from limbeck.run.exam import open_exam
from limbeck.run.tutor import Tutor
from limbeck.run.tutored import TutoredLab
from limbeck.tutoring import Attempt
from run.tiny import MODEL, invoke, request, start, tree, weights_hash, work, write
from served.hostile import Hostile

CONTROLS = ("longer", "resample", "shuffled", "blind")
SIZES = {"train": 24, "validation": 12, "test": 12}


@pytest.fixture
def server():
    with TutorServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _data(tmp_path):
    """Files of problems; the prompts of one are in no other."""
    found = iter(problems(random.Random(0), sum(SIZES.values()), swaps=4))
    for name, count in SIZES.items():
        lines = [json.dumps(row) + "\n" for row in itertools.islice(found, count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))


def data(folder, **changes):
    """The recipe's section."""
    held_out = {name: str(folder / f"{name}.jsonl") for name in ("validation", "test")}
    found = {"source": str(folder / "train.jsonl"), **held_out, "verifier": "after_marker"}
    return {**found, **changes}


def undo(server, output, **changes):
    """A run of two refinements that no stop rule ends."""
    method = {"name": "undo", "rounds": 2, "diagnosis": 5, "least_gain": -1.0}
    found = {
        "student": {"config": {**MODEL, "max_position_embeddings": 96}, "tokenizer": "characters"},
        "teacher": {"server": server.url, "model": "tutor", **changes.pop("teacher", {})},
        "data": data(output.parent),
        "method": {**method, **changes.pop("method", {})},
        "prompts": str(PROMPTS),
        "generation": {"max_new_tokens": 48},
        "evaluate": {"max_new_tokens": 24},
        "training__max_steps": 3,
        "training__save_steps": 1,
        "training__logging_steps": 1,
        "training__eval_strategy": "no",
        "training__eval_steps": None,
    }
    return request(output, **{**found, **changes})


def rationales(run, index, arm="student"):
    folder = run if arm == "student" else run / "arms" / arm
    return pq.read_table(folder / f"rounds/{index:03}/rationales.parquet").to_pydict()


def test_a_run_with_its_controls(server, tmp_path):
    mapping = undo(
        server, tmp_path / "run", controls=True, teacher={"prices": {"input": 1.0, "output": 2.0}}
    )
    run = work(mapping)
    found = run.results
    rounds = found["training"]["student"]["rounds"]
    assert [r["round"] for r in rounds] == [0, 1, 2] and all(r["steps"] == 3 for r in rounds)
    for r in rounds:
        assert r["rationales"] == {"first": 24, "retried": 0, "earlier": 0, "own": 0, "dropped": 0}
        assert sum(r["tags"].values()) == 5 and r["selection"]["n"] == 7
        # Each round asks about all 24 rows and the 5 problems of the record, and for kinds of errors.
        assert r["asked"]["answers"] >= 29 and r["asked"]["tokens_out"] > 0
        assert r["asked"]["money"] == pytest.approx(
            (r["asked"]["tokens_in"] + 2 * r["asked"]["tokens_out"]) / 1e6
        )
    # Without prior knowledge two single steps and a jump; then, round by round, a step more.
    steps = [{text.count(";") for text in rationales(run.path, i)["rationale"]} for i in range(3)]
    assert steps[0] == {2} and max(steps[2]) >= 3
    assert rationales(run.path, 1)["earlier"] == rationales(run.path, 0)["rationale"]
    example = rounds[1]["examples"][0]
    assert example["old"] != example["new"] and example["tag"] and example["question"]
    assert "examples" not in rounds[0]
    # All on the same items, compared in pairs; what was trained between rounds is gone.
    arms = {"one_shot", "student", *(f"control_{name}" for name in CONTROLS)}
    assert arms < set(found["evaluation"]["metrics"]) and not (run.path / "checkpoints").exists()
    pairs = {(c["a"], c["b"]) for c in found["comparisons"]}
    assert {("student", arm) for arm in arms - {"student"}} <= pairs
    trained = found["training"]
    assert trained["control_longer"]["steps"] == 9 and trained["student"]["steps"] == 9
    for name in ("resample", "shuffled", "blind"):
        log = trained[f"control_{name}"]
        assert [r["rationales"]["first"] for r in log["rounds"]] == [24, 24, 24]
        assert all(r["asked"]["answers"] >= 29 for r in log["rounds"])
        assert log["rounds"][0] == rounds[0], "the first round is shared"
    assert (run.path / "arms/one_shot/model.safetensors").exists()
    page = run.report.read_text()
    assert "One-shot rationales" in page and "Control: feedback shuffled" in page
    # Nothing was asked twice: the first round's requests are those of all arms.
    assert server.requests == found["costs"]["teacher"]["answers"]


def test_the_round_that_is_kept_is_the_best_on_the_selection_problems(
    server, tmp_path, monkeypatch
):
    """A student of three steps has nothing right, so what it has right is said for it."""
    right = {1: [True] * 2, 2: [True] * 5, 3: [True] * 4}
    monkeypatch.setattr(Tutor, "selected", lambda self: (right[self.lab.round] + [False] * 7)[:7])
    run = work(undo(server, tmp_path / "run", method={"least_gain": -1.0}))
    log = run.results["training"]["student"]
    assert [round(7 * r["selection"]["value"]) for r in log["rounds"]] == [2, 5, 4]
    assert log["kept_round"] == 1 and log["stopped"] == "last round"


def test_rounds_end_without_a_gain(server, tmp_path):
    """A student of three steps has nothing right, and its first refinement nothing either."""
    mapping = undo(server, tmp_path / "run", method={"least_gain": 0.0}, controls=["blind"])
    log = work(mapping).results["training"]
    assert log["student"]["stopped"] == "no gain" and len(log["student"]["rounds"]) == 2
    assert log["student"]["kept_round"] == 0
    assert len(log["control_blind"]["rounds"]) == 2, "a control takes as many rounds"


@pytest.mark.parametrize("mode", ["failed", "mixed"])
def test_only_what_is_wrong_is_rewritten(server, tmp_path, monkeypatch, mode):
    """The student is made to have some problems right in round 1, and none in round 2."""

    def attempts(lab, problems, path, what):
        if "training" not in what:
            return [Attempt("", False)] * len(problems.examples)
        right = [e.answer == "1" and lab.round == 1 for e in problems.examples]
        cut = [e.prompt.startswith("2") for e in problems.examples]
        return [
            Attempt(f"own#{e.answer}" if r else "own", r, finished=not c)
            for e, r, c in zip(problems.examples, right, cut, strict=True)
        ]

    monkeypatch.setattr(TutoredLab, "attempts", attempts)
    run = work(undo(server, tmp_path / "run", method={"mode": mode}))
    first, second, third = (rationales(run.path, i) for i in range(3))
    own = [
        i
        for i, (q, a) in enumerate(zip(second["question"], second["answer"], strict=True))
        if a == "1" and not q.startswith("2")
    ]
    assert 0 < len(own) < 24
    for i, origin in enumerate(second["origin"]):
        assert origin == (({"mixed": "own", "failed": "earlier"}[mode]) if i in own else "first")
    expected = ["own#1" if mode == "mixed" else first["rationale"][i] for i in own]
    assert [second["rationale"][i] for i in own] == expected
    # What a student wrote is not handed to the teacher as its own solution.
    assert [second["solution"][i] for i in own] == [first["rationale"][i] for i in own]
    assert [third["earlier"][i] for i in own] == [first["rationale"][i] for i in own]
    assert set(third["origin"]) == {"first"}
    text = pq.read_table(run.path / "rounds/001/text.parquet").to_pydict()
    assert text["author"].count("student") == (len(own) if mode == "mixed" else 0)


def test_a_rewrite_that_is_too_long_leaves_the_earlier_one(server, tmp_path):
    """23 tokens have room for the first solutions, and for no more steps."""
    run = work(undo(server, tmp_path / "run", data=data(tmp_path, max_length=23)))
    rounds = run.results["training"]["student"]["rounds"]
    assert rounds[0]["rationales"]["first"] == 24
    assert rounds[1]["rationales"] == {
        "first": 0, "retried": 0, "earlier": 24, "own": 0, "dropped": 0,
    }  # fmt: skip
    assert rationales(run.path, 1)["rationale"] == rationales(run.path, 0)["rationale"]


def test_without_a_record_every_round_draws_anew(server, tmp_path):
    """The prompt of a problem that fell back is the same again, and must not be answered by heart."""
    method = {"feedback": "blind", "retries": 1}
    work(undo(server, tmp_path / "run", data=data(tmp_path, max_length=23), method=method))
    with sqlite3.connect(tmp_path / "run/answers.sqlite") as store:
        asked = [json.loads(row[0]) for row in store.execute("SELECT request FROM answers")]
    drawn = [r for r in asked if r["temperature"] > 0]
    # In rounds 1 and 2 one more draw of each of 24 rows, besides the problems of the record.
    assert sorted({r["nth"] for r in drawn}) == [3, 5]


def test_a_going_on_resampled_run(server, tmp_path):
    method = {"feedback": "resample", "start": "continue"}
    log = work(undo(server, tmp_path / "run", method=method)).results["training"]["student"]
    assert len(log["rounds"]) == 3 and log["rounds"][2]["rationales"]["first"] == 24


def test_a_fresh_start_differs_from_going_on(server, tmp_path):
    fresh = work(undo(server, tmp_path / "fresh"))
    on = work(undo(server, tmp_path / "on", method={"start": "continue"}))
    losses = [
        [r["curve"][-1]["loss"] for r in [run.results["training"]["student"]]]
        for run in (fresh, on)
    ]
    assert losses[1][0] < losses[0][0], "nine steps against three"


@pytest.mark.parametrize(
    ("place", "word", "count"),
    [
        ("limbeck.sources.budget:Spent.plus", "", 60),  # among the refined solutions
        *(
            pytest.param(*kill, marks=pytest.mark.slow)
            for kill in (
                ("limbeck.sources.budget:Spent.plus", "", 7),  # among the first solutions
                ("limbeck.run.tutor:Tutor.diagnose", "", 2),
                ("limbeck.run.tutor:Tutor.selected", "", 1),
                ("limbeck.run.trainings:save", "after-001", 1),
            )
        ),
    ],
)
def test_killed_and_resumed_it_ends_the_same_and_pays_once(server, tmp_path, place, word, count):
    whole = work(undo(server, tmp_path / "whole"))
    asked = server.requests
    mapping = undo(server, tmp_path / "run", teacher={"concurrency": 1})
    child = start(mapping, kill=(place, word, count))
    child.join()
    assert child.exitcode == -signal.SIGKILL
    run = work(mapping)
    assert weights_hash(run.path) == weights_hash(whole.path)
    assert server.requests == 2 * asked
    mine, theirs = (r.results["training"]["student"]["rounds"] for r in (run, whole))
    kept = ("rationales", "tags", "asked", "selection", "examples")
    assert [[r.get(k) for k in kept] for r in mine] == [[r.get(k) for k in kept] for r in theirs]


def test_the_doctor_says_what_rounds_are_chosen_by(server, tmp_path):
    (found,) = [f for f in check(recipe(server, tmp_path), []) if f.check == "rounds"]
    assert found.status == "warn" and "5 problems for the learner's record, 7 to" in found.what
    assert "within 37 points" in found.why and "data.validation" in found.mend


# Bad input


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


# limbeck refine


def attempts(path, problems_, wrong=()):
    """What a student wrote: the whole game in one step, right or a cup off."""
    lines = []
    for question, answer in problems_:
        shown = int(answer) % CUPS + 1 if question in wrong else answer
        lines.append({"prompt": question, "completion": f"{question[:-1]}{shown}#{shown}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def diagnosis_rows(mapping):
    exam = open_exam(open_bench(parse_recipe(mapping)))
    return [(e.prompt, e.answer) for e in exam.diagnosis.examples]


def test_refine_takes_answers_and_gives_text(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems = diagnosis_rows(mapping)
    wrong = [question for question, _ in problems[:3]]
    file = attempts(tmp_path / "attempts.jsonl", problems, wrong)
    path = write(tmp_path / "r.yaml", mapping)
    done = invoke("refine", path, "--attempts", file)
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "run/refined.parquet").to_pydict()
    assert len(table["rationale"]) == 24 and table["earlier"] != table["rationale"]
    assert Counter(table["origin"]) == {"first": 24}
    # Three wrong jumps, as the tutor says; two right ones.
    assert "3 missing_step" in done.output and "2 right" in done.output
    assert "refined.parquet" in done.output and not (tmp_path / "run/student").exists()
    asked = server.requests
    again = invoke(
        "refine", path, "--attempts", file, "--earlier", tmp_path / "run/refined.parquet"
    )
    assert again.exit_code == 0, again.output
    later = pq.read_table(tmp_path / "run/refined.parquet").to_pydict()
    assert later["earlier"] == table["rationale"] and server.requests > asked


def test_refine_asks_the_student_of_the_recipe(server, tmp_path):
    done = invoke("refine", write(tmp_path / "r.yaml", undo(server, tmp_path / "run")))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run/refined.parquet").exists()
    assert "attempts   5 " in done.output, "an untrained student fails in one way"


def test_refine_says_which_attempts_are_missing(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems = diagnosis_rows(mapping)
    file = attempts(tmp_path / "attempts.jsonl", problems[:3])
    done = invoke("refine", write(tmp_path / "r.yaml", mapping), "--attempts", file)
    assert done.exit_code == 2 and "2 of 5 problems have no attempt" in done.output
    assert not (tmp_path / "run").exists() and server.requests == 0


def test_refine_verifies_what_it_begins_with(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    path = write(tmp_path / "r.yaml", mapping)
    assert invoke("refine", path).exit_code == 0
    table = pq.read_table(tmp_path / "run/refined.parquet")
    wrong = table.set_column(4, "rationale", [["x#9"] * 3 + table["rationale"].to_pylist()[3:]])
    pq.write_table(wrong, tmp_path / "earlier.parquet")
    done = invoke("refine", path, "--earlier", tmp_path / "earlier.parquet")
    assert done.exit_code == 0 and "3 of 24 earlier solutions are wrong" in done.output
    pq.write_table(wrong.slice(0, 3), tmp_path / "earlier.parquet")
    done = invoke("refine", path, "--earlier", tmp_path / "earlier.parquet")
    assert done.exit_code == 2 and "none of these solutions is a right one" in done.output


def test_refine_takes_one_attempt_for_a_problem(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems_ = diagnosis_rows(mapping)
    file = attempts(tmp_path / "attempts.jsonl", problems_ + problems_[:2], [problems_[0][0]])
    lines = file.read_text().splitlines()
    lines[-1] = json.dumps({"prompt": problems_[1][0], "completion": "another"})
    file.write_text("\n".join(lines) + "\n")
    done = invoke("refine", write(tmp_path / "r.yaml", mapping), "--attempts", file)
    assert done.exit_code == 2 and "1 problems have two different attempts" in done.output


def test_refine_needs_a_teacher_that_rewrites(server, tmp_path):
    mapping = {**undo(server, tmp_path / "run"), "method": "seqkd", "prompts": "maths"}
    done = invoke("refine", write(tmp_path / "r.yaml", mapping))
    assert done.exit_code == 2 and "undo" in done.output and tree(tmp_path / "run") is None


def test_refine_shows_its_prompts(server, tmp_path):
    both = invoke("refine", "--show-prompts")
    assert both.exit_code == 0 and "refine.system.j2" in both.output
    own = invoke(
        "refine", write(tmp_path / "r.yaml", undo(server, tmp_path / "run")), "--show-prompts"
    )
    assert "ball under cups" in own.output and server.requests == 0


def test_generate_writes_the_first_solutions_and_the_run_goes_on_there(server, tmp_path):
    path = write(tmp_path / "r.yaml", undo(server, tmp_path / "run"))
    done = invoke("generate", path)
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "run/responses.parquet").to_pydict()
    assert len(table["response"]) == 24 and set(table["verdict"]) == {"kept"}
    assert server.requests == 29
    assert invoke("distill", path).exit_code == 0
    whole = server.requests
    assert (
        invoke("distill", write(tmp_path / "s.yaml", undo(server, tmp_path / "other"))).exit_code
        == 0
    )
    assert server.requests == 2 * whole
