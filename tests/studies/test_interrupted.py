"""Studies whose processes are killed, and what is there when the same command is given again."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from studies.small import told, write

pytestmark = pytest.mark.slow

GRID = {
    "axes": {
        "method": ["kd", "revkd", "seqkd"],
        "student.config.hidden_size": {"small": 16, "large": 32},
        "data.labelled": {"few": 20, "all": 40},
    },
    "seeds": [0, 1, 2],
}


def command(path):
    return [sys.executable, "-m", "limbeck", "study", str(path), "--quiet"]


def started(path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command(path), env=environment, start_new_session=True)


def finished_runs(folder):
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("runs/*/results.json")}


def wait_for(folder, count, seconds=500):
    deadline = time.monotonic() + seconds
    while len(finished_runs(folder)) < count:
        assert time.monotonic() < deadline, "too slow"
        time.sleep(0.2)


@pytest.mark.timeout(1800)
def test_killed_in_the_middle_and_again(tmp_path):
    """No finished run is repeated, and the table is that of an uninterrupted study."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for place in (whole, broken):
        place.mkdir()
    grid = {**GRID, "seeds": [0], "executor": {"kind": "local", "processes": 2}}
    subprocess.run(command(write(whole, **grid)), check=True, timeout=900)
    path = write(broken, **grid)
    process = started(path)
    wait_for(broken / "out", 3)
    os.kill(process.pid, signal.SIGKILL)  # its runs go on without it, as orphans do
    process.wait()
    before = finished_runs(broken / "out")
    subprocess.run(command(path), check=True, timeout=900)  # orphans are waited for
    after = finished_runs(broken / "out")
    assert before.items() <= after.items() and len(after) == 12
    tables = [pq.read_table(p / "out/results.parquet") for p in (whole, broken)]
    assert told(tables[0]) == told(tables[1])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_nothing_running(tmp_path, number):
    """Ctrl-C, a plain kill, a closed terminal; impatient people send them twice."""
    process = started(write(tmp_path, executor={"kind": "local", "processes": 2}))
    wait_for(tmp_path / "out", 1)
    os.kill(process.pid, number)
    time.sleep(0.5)
    os.kill(process.pid, number)
    assert process.wait(timeout=60) != 0
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "out")], capture_output=True, text=True)
    assert left.stdout == ""
    subprocess.run(command(tmp_path / "study.yaml"), check=True, timeout=500)
    assert json.loads((tmp_path / "out/study.json").read_text())["failed"] == []
