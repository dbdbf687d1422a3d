"""kill -9 in the middle of a method's round, then the same command: the same bytes and numbers.

Each method keeps something of its own between steps: a buffer, a place on a schedule, an anchor,
the checkpoint it has chosen. Checkpoints are four steps apart, and the kills fall between them.
"""

import json

import pytest
import torch

from limbeck.data import Author
from run.test_interruption import JOURNAL, STEP, killed, same, undisturbed  # noqa: F401
from run.tiny import DATA, MODEL, STUDENT, numbers, request, weights_hash, work

TUNED = {"max_steps": 8, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "use_cpu": True}
QUICK = {
    "generation": {"max_new_tokens": 8, "batch_size": 16},
    "evaluate": {"max_new_tokens": 4, "max_items": 8, "samples": 0},
    "training__max_steps": 12,
    "training__eval_steps": 3,
    "training__logging_steps": 2,
}
RISING = {"schedule": "validation_driven", "from": 0.4, "to": 1, "step": 0.2, "tolerance": -100}
LABELLED = {k: v for k, v in QUICK.items() if k != "generation"}
PATH = {
    "config": MODEL,
    "tokenizer": "characters",
    "sft": {"data": {**DATA, "seed": 1}, "training": TUNED},
    "keep_checkpoints": 2,
}
ROUNDS = {
    **QUICK,
    "method": {"name": "distillm2", "rounds": 2},
    "generation": {"max_new_tokens": 24, "batch_size": 4},
}
STAGES = {
    **LABELLED,
    "teacher": PATH,
    "student": {**STUDENT, "sft": {"training": TUNED}},
    "method": {"name": "scd", "adaptive_weight": True},
}
FOLDS = {
    **STAGES,
    "teacher": {**PATH, "sft": {"training": TUNED}},
    "method": {"name": "scd", "adaptive_weight": True, "loss_source": "oof"},
}

CHANGES = {
    "distillm": {
        **QUICK,
        "method": {"name": "distillm", "phi": RISING, "capacity": 16, "replay": "constant"},
    },
    "distillm-buffer": {
        **QUICK,
        "method": {"name": "distillm", "phi": RISING, "capacity": 24, "trains_on": "buffer"},
    },
    "distillm2": ROUNDS,
    "taid": {**LABELLED, "method": "taid"},
    "scd": STAGES,
    "scd-folds": FOLDS,
    "minillm": {**QUICK, "method": "minillm", "training__save_steps": 3},
    "imitkd": {**QUICK, "method": {"name": "imitkd", "beta": 0.5}},
}
STUDENTS = "checkpoints/student"
KILLS = {
    "distillm": ("distillm", STEP, STUDENTS, 11),
    "distillm-buffer": ("distillm-buffer", STEP, STUDENTS, 10),
    "distillm2-round-2": ("distillm2", STEP, f"{STUDENTS}/001", 6),
    "distillm2-round-1": ("distillm2", STEP, f"{STUDENTS}/000", 5),
    "distillm2-student-text": ("distillm2", JOURNAL, "001/student.jsonl", 2),
    "distillm2-teacher-text": ("distillm2", JOURNAL, "001/teacher.jsonl", 20),
    "distillm2-between-rounds": ("distillm2", "os:replace", ".after-000.partial", 1),
    "taid": ("taid", STEP, STUDENTS, 10),
    "scd-stage-2": ("scd", STEP, f"{STUDENTS}/001", 6),
    "scd-choice": ("scd", "limbeck.run.text:write_json", "001/kl_from_student.json", 1),
    "scd-the-best-gets-its-name": ("scd", "os:replace", ".student.partial", 1),
    "scd-folds": ("scd-folds", STEP, "checkpoints/fold-teacher-1", 3),
    "minillm": ("minillm", STEP, STUDENTS, 8),
    "imitkd": ("imitkd", STEP, STUDENTS, 10),
}
SLOW = (
    "distillm-buffer",
    "minillm",  # the rollouts of its checkpoints are those of distillm's buffer, longer
    "distillm2-round-1",
    "distillm2-teacher-text",
    "distillm2-between-rounds",
    "imitkd",
    "scd-choice",
    "scd-folds",
    "scd-the-best-gets-its-name",
)


def _a_full_buffer_and_a_share_that_rose(checkpoint, memory):
    kept = json.loads((checkpoint / "replay-0.json").read_text())
    assert len(kept) in (16, 24) and {row["author"] for row in kept} == {Author.STUDENT}
    assert memory["moving"]["phi"]["value"] > RISING["from"]


def _anchors_of_the_first_round(checkpoint, memory):
    assert checkpoint.parent.name == "001"
    assert memory["value"]["m_teacher"] != 0 != memory["value"]["m_student"]


def _a_place_between_student_and_teacher(checkpoint, memory):
    t, line = memory["moving"]["t"], 0.4 + 0.6 * 8 / 12
    assert t["m"] != 0 and t["loss"] > 0 and t["t"] >= line


def _an_optimiser_of_this_stage(checkpoint, memory):
    """Its Adam has taken the four steps of this stage, not the six of the one before as well."""
    state = torch.load(checkpoint / "optimizer.pt")["state"]
    assert state and {float(entry["step"]) for entry in state.values()} == {4.0}
    assert torch.load(checkpoint / "scheduler.pt")["last_epoch"] == 4


def _rollouts_that_are_used_again(checkpoint, memory):
    kept = json.loads((checkpoint / "replay-0.json").read_text())
    written = sum(len(row["completion"]) for row in kept)
    assert len(kept) == 8 and 0 < written < memory["written"]  # of two draws in six steps, the last
    assert all(len(row["log_probs"]) == len(row["completion"]) for row in kept)


LEFT = {
    "distillm": _a_full_buffer_and_a_share_that_rose,
    "distillm-buffer": _a_full_buffer_and_a_share_that_rose,
    "distillm2-round-2": _anchors_of_the_first_round,
    "taid": _a_place_between_student_and_teacher,
    "scd-stage-2": _an_optimiser_of_this_stage,
    "minillm": _rollouts_that_are_used_again,
}


@pytest.mark.parametrize(
    "case", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in KILLS]
)
def test_kill_and_run_again(undisturbed, tmp_path, case):  # noqa: F811
    name, *kill = KILLS[case]
    mapping = request(tmp_path / "run", **CHANGES[name])
    killed(mapping, tuple(kill))
    assert not (tmp_path / "run" / "results.json").exists()
    if case in LEFT:
        checkpoint = max((tmp_path / "run" / STUDENTS).rglob("checkpoint-*"))
        state = json.loads((checkpoint / "trainer_state.json").read_text())
        LEFT[case](checkpoint, state["stateful_callbacks"]["Memory"]["attributes"])
    run = work(mapping)
    assert same(run.path, undisturbed(CHANGES[name]))
    assert not list((run.path / "checkpoints").glob("*"))


def test_an_evaluation_moves_nothing(undisturbed, tmp_path):  # noqa: F811
    """The walk of TAID's target would otherwise depend on how often somebody looks."""
    often = {**CHANGES["taid"], "training__eval_steps": 1}
    run = work(request(tmp_path / "run", **often))
    seldom = undisturbed(CHANGES["taid"])
    assert weights_hash(run.path) == weights_hash(seldom)
    mine, theirs = (numbers(path)["training"]["student"] for path in (run.path, seldom))
    assert mine["curve"] == theirs["curve"]
    assert [len(log["eval_curve"]) for log in (mine, theirs)] == [12, 4]
