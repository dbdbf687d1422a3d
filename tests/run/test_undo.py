"""Rounds of a teacher that rewrites: whole runs against a real HTTP server."""

import json
import signal
import sqlite3

import pyarrow.parquet as pq
import pytest

from limbeck.run.tutor import Tutor
from limbeck.run.tutored import TutoredLab
from limbeck.tutoring import Attempt
from run.school import data, rationales, undo
from run.tiny import start, weights_hash, work

pytestmark = pytest.mark.usefixtures("problem_files")
CONTROLS = ("longer", "resample", "shuffled", "blind")


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
