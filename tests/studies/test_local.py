"""Processes of this machine: which devices they get, and whom they wait for."""

import fcntl
import threading

import pytest

from limbeck.studies import local
from limbeck.studies.executors import Job
from limbeck.studies.local import LocalExecutor


def job(place, name="run"):
    folder = place / name
    folder.mkdir()
    return Job(name, name, place / "recipe.yaml", folder, place / "log", place / "shared")


@pytest.mark.parametrize(
    ("ours", "given"), [("4,5", ["4", "5", "4"]), (None, ["0", "1", "0"]), ("", ["0", "1", "0"])]
)
def test_runs_get_the_devices_that_the_study_was_given(tmp_path, monkeypatch, ours, given):
    seen = []
    monkeypatch.setattr(local, "_gpus", lambda: 2)
    monkeypatch.setattr(
        local.subprocess, "Popen", lambda words, env, **_: seen.append(env["CUDA_VISIBLE_DEVICES"])
    )
    if ours is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ours)
    executor = LocalExecutor()
    assert executor.processes == 2
    for slot in range(3):
        executor._start(job(tmp_path, str(slot)), slot)
    assert seen == given


def test_a_run_that_a_process_still_works_at_is_waited_for(tmp_path, monkeypatch):
    """Of a study that was killed: its runs outlive it, and finish."""
    one, told = job(tmp_path), []
    lock = (one.folder / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def finish():
        (one.folder / "report.html").write_text("")
        (one.folder / "results.json").write_text("{}")
        lock.close()

    monkeypatch.setattr(LocalExecutor, "_start", lambda *_: pytest.fail("it was begun twice"))
    timer = threading.Timer(0.8, finish)
    timer.start()
    LocalExecutor(1).run([one], lambda _, state: told.append(state))
    timer.join()
    assert told == ["running", "done"]
