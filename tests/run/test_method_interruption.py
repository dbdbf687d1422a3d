"""kill -9 in the middle of a method's round, then the same command: the same bytes and numbers.

Each method keeps something of its own between steps: a buffer, a place on a schedule, an anchor,
the checkpoint it has chosen. Checkpoints are four steps apart, and the kills fall between them.
"""

import json

import pytest

from run.test_interruption import JOURNAL, STEP, killed, same, undisturbed  # noqa: F401
from run.tiny import DATA, MODEL, STUDENT, request, work

TUNED = {"max_steps": 8, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "use_cpu": True}
QUICK = {
    "generation": {"max_new_tokens": 8, "batch_size": 16},
    "evaluate": {"max_new_tokens": 4, "max_items": 8},
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
ROUNDS = {**QUICK, "method": {"name": "distillm2", "rounds": 2}, "generation__max_new_tokens": 20}
STAGES = {
    **LABELLED,
    "teacher": PATH,
    "student": {**STUDENT, "sft": {"training": TUNED}},
    "method": {"name": "scd", "adaptive_weight": True},
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
    "minillm": {**QUICK, "method": "minillm"},
    "imitkd": {**QUICK, "method": {"name": "imitkd", "beta": 0.5}},
}
STUDENTS = "checkpoints/student"
KILLS = {
    "distillm": ("distillm", STEP, STUDENTS, 11),
    "distillm-buffer": ("distillm-buffer", STEP, STUDENTS, 10),
    "distillm2-round-2": ("distillm2", STEP, f"{STUDENTS}/001", 6),
    "distillm2-round-1": ("distillm2", STEP, f"{STUDENTS}/000", 5),
    "distillm2-student-text": ("distillm2", JOURNAL, "rounds/001/student.jsonl", 3),
    "distillm2-teacher-text": ("distillm2", JOURNAL, "rounds/001/teacher.jsonl", 2),
    "distillm2-between-rounds": ("distillm2", "os:replace", ".after-000.partial", 1),
    "taid": ("taid", STEP, STUDENTS, 10),
    "scd-stage-2": ("scd", STEP, f"{STUDENTS}/001", 6),
    "scd-choice": ("scd", "limbeck.run.text:write_json", "001/kl_from_student.json", 1),
    "scd-the-best-gets-its-name": ("scd", "os:replace", ".student.partial", 1),
    "minillm": ("minillm", STEP, STUDENTS, 7),
    "imitkd": ("imitkd", STEP, STUDENTS, 10),
}
SLOW = (
    "distillm-buffer",
    "distillm2-round-1",
    "distillm2-teacher-text",
    "distillm2-between-rounds",
    "scd-choice",
    "scd-the-best-gets-its-name",
)


@pytest.mark.parametrize(
    "case", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in KILLS]
)
def test_kill_and_run_again(undisturbed, tmp_path, case):  # noqa: F811
    name, *kill = KILLS[case]
    mapping = request(tmp_path / "run", **CHANGES[name])
    killed(mapping, tuple(kill))
    assert not (tmp_path / "run" / "results.json").exists()
    run = work(mapping)
    assert same(run.path, undisturbed(CHANGES[name]))
    assert not list((run.path / "checkpoints").glob("*"))


def left(tmp_path, name):
    """The newest checkpoint that a killed run has left, and its Trainer's state."""
    folder = max((tmp_path / "run" / STUDENTS).rglob("checkpoint-*"))
    state = json.loads((folder / "trainer_state.json").read_text())
    return folder, state["stateful_callbacks"]["Memory"]["attributes"]
