"""kill -9, then the same command again: the same bytes and numbers as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from transformers import AutoModelForCausalLM

from limbeck.training.checkpoints import newest_complete
from run.tiny import DATA, MODEL, numbers, request, start, tree, weights_hash, work, write

# Everything that a run can do: a teacher trained here, its text, a baseline, a student, answers.
WHOLE = {
    "teacher": {
        "config": MODEL,
        "tokenizer": "characters",
        "sft": {
            "data": {**DATA, "rows": 150, "seed": 1},
            "training": {
                "max_steps": 40,
                "learning_rate": 5e-3,
                "per_device_train_batch_size": 8,
                "save_steps": 8,
                "use_cpu": True,
            },
        },
    },
    "method": {"name": "kd", "source": "teacher"},
    "baseline": "sft",
    "data__labelled": 48,
    "generation": {"max_new_tokens": 24, "batch_size": 8},
    "evaluate": {"max_new_tokens": 16, "batch_size": 8, "samples": 0},
}
ON_POLICY = {
    "teacher": {"config": {**MODEL, "hidden_size": 48}, "tokenizer": "characters"},
    "method": {"name": "gkd", "lmbda": 0.5},
    "generation": {"max_new_tokens": 8},
    "training__max_steps": 14,
    "training__lr_scheduler_type": "constant",
}
STEP = "limbeck.training.memory:Memory.on_step_end"
SAVE = "transformers:Trainer._save_optimizer_and_scheduler"
JOURNAL = "limbeck.files:Journal.append"
slow = pytest.mark.slow

KILLS = {
    "student": (WHOLE, STEP, "checkpoints/student", 11),
    "teacher-text": (WHOLE, JOURNAL, "000/teacher.jsonl", 4),
    "evaluation": (WHOLE, JOURNAL, "items/student.jsonl", 3),
    "teacher": (WHOLE, STEP, "checkpoints/teacher", 19),
    "before-the-first-checkpoint": (WHOLE, STEP, "checkpoints/student", 2),
    "baseline": (WHOLE, STEP, "checkpoints/sft", 18),
    "on-policy": (ON_POLICY, STEP, "checkpoints/student", 10),
    "between-the-files-of-a-checkpoint": (WHOLE, SAVE, "checkpoints/student", 3),
    "on-policy-between-the-files": (ON_POLICY, SAVE, "checkpoints/student", 2),
    "before-a-checkpoint-is-complete": (
        WHOLE,
        "limbeck.training.checkpoints:MarkComplete.on_save",
        "checkpoints/student",
        3,
    ),
    "before-the-student-gets-its-name": (WHOLE, "os:replace", ".student.partial", 1),
    # The last step is not the end of an epoch: resumed there, the Trainer would take one more.
    "after-the-last-step": (ON_POLICY, "os:replace", ".student.partial", 1),
    "before-items-get-their-name": (WHOLE, "os:replace", ".before.parquet.partial", 1),
    "before-the-report": (WHOLE, "os:replace", "results.json", 1),
    "at-the-first-manifest": (WHOLE, "os:replace", "manifest.json", 1),
    "at-the-first-recipe": (WHOLE, "os:replace", "recipe.yaml", 1),
}
FAST = ("student", "teacher-text", "evaluation")
MARKS = dict.fromkeys(FAST, ())


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """``undisturbed(changes)``: the same recipe, never killed."""
    made = {}

    def run(changes):
        if id(changes) not in made:
            folder = tmp_path_factory.mktemp("undisturbed") / "run"
            made[id(changes)] = work(request(folder, **changes))
        return made[id(changes)].path

    return run


def same(one, other):
    """Whether two runs came to the same end."""
    assert weights_hash(one) == weights_hash(other)
    assert numbers(one) == numbers(other)
    assert (one / "report.html").exists() and (other / "report.html").exists()
    for file in (one / "items").glob("*.parquet"):
        assert file.read_bytes() == (other / "items" / file.name).read_bytes(), file.name
    return True


def killed(mapping, kill=None):
    """Run until killed; 'not killed' is an error of the test."""
    child = start(mapping, kill)
    child.join(120)
    assert child.exitcode == -signal.SIGKILL, f"it ended by itself: {child.exitcode}"


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=MARKS.get(name, slow)) for name in KILLS]
)
def test_kill_and_run_again(undisturbed, tmp_path, case):
    changes, *kill = KILLS[case]
    mapping = request(tmp_path / "run", **changes)
    killed(mapping, tuple(kill))
    assert not (tmp_path / "run" / "results.json").exists()
    run = work(mapping)
    assert same(run.path, undisturbed(changes))
    AutoModelForCausalLM.from_pretrained(run.student)
    left = [
        p for p in run.path.rglob("*") if p.name.endswith(".partial") or "checkpoint-" in p.name
    ]
    assert not left


def test_finished_work_is_not_done_again(undisturbed, tmp_path):
    """After a kill in the evaluation no training starts, and answers that stand are kept."""
    mapping = request(tmp_path / "run", **WHOLE)
    killed(mapping, KILLS["evaluation"][1:])
    student = tmp_path / "run" / "student" / "model.safetensors"
    journal = tmp_path / "run" / "items" / "student.jsonl"
    changed, kept = student.stat().st_mtime_ns, journal.read_bytes()
    assert kept.count(b"\n") == 1 + 2 * 8  # the key and two batches
    work(mapping)
    assert student.stat().st_mtime_ns == changed
    assert journal.read_bytes().startswith(kept)


def test_a_checkpoint_without_its_mark_is_ignored_and_deleted(tmp_path):
    for step, complete in ((4, True), (8, True), (12, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"x")
        if complete:
            (folder / "complete").touch()
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-8"
    assert not (tmp_path / "checkpoint-12").exists()
    shutil.rmtree(tmp_path / "checkpoint-8")
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-4"
    (tmp_path / "checkpoint-4" / "complete").unlink()
    assert newest_complete(tmp_path) is None


@slow
def test_killed_twice(undisturbed, tmp_path):
    mapping = request(tmp_path / "run", **WHOLE)
    for case in ("teacher", "teacher-text", "student", "evaluation"):
        killed(mapping, KILLS[case][1:])
    assert same(work(mapping).path, undisturbed(WHOLE))


@slow
@pytest.mark.parametrize("seed", range(6))
def test_kills_at_random_moments(undisturbed, tmp_path, seed):
    rng = random.Random(seed)
    changes = (WHOLE, ON_POLICY)[seed % 2]
    mapping = request(tmp_path / "run", **changes)
    kills = 0
    for _ in range(60):
        child = start(mapping)
        child.join(rng.uniform(0.05, 2.5))
        if child.exitcode is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    else:
        work(mapping)
    assert kills
    assert same(tmp_path / "run", undisturbed(changes))


@slow
@pytest.mark.parametrize(
    "sign",
    [
        "checkpoints/teacher/checkpoint-8/complete",
        "rounds/000/teacher.jsonl",
        "checkpoints/student/checkpoint-4/complete",
        "items/student.jsonl",
    ],
)
def test_the_real_command_killed_from_outside(undisturbed, tmp_path, sign):
    """``limbeck distill`` in a process of its own, killed as soon as a sign of the work appears."""
    file = write(tmp_path / "tiny.yaml", request(tmp_path / "run", **WHOLE))
    command = [sys.executable, "-m", "limbeck", "distill", str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / sign).exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL, process.stderr.read()
    assert not (tmp_path / "run" / "results.json").exists()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert same(tmp_path / "run", undisturbed(WHOLE))


def test_two_processes_do_not_share_a_folder(tmp_path):
    import fcntl

    import limbeck

    mapping = request(tmp_path / "run", **ON_POLICY)
    killed(mapping, (STEP, "checkpoints/student", 2))
    before = tree(tmp_path / "run")
    with (tmp_path / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(limbeck.RequestError, match="another process"):
            work(mapping)
    assert tree(tmp_path / "run") == before


def test_an_interrupted_run_is_not_a_finished_one(tmp_path):
    import limbeck
    from limbeck.run import read_run

    mapping = request(tmp_path / "run", **ON_POLICY)
    killed(mapping, (STEP, "checkpoints/student", 2))
    with pytest.raises(limbeck.RequestError, match="no finished run"):
        read_run(tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "result" not in manifest["stages"].get("train student", {})
