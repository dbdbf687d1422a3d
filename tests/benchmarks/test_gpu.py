"""The GPU program runs as a whole on a CPU: what is rarely run would rot unseen."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parents[2]
TINY = "--device cpu --rows 12 --vocabulary 300 --student 8 --teacher 16 --rounds 1 --checked 4"


def rows_of(table):
    """The cells of a Markdown table by divergence and program."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return {(cells[0], cells[1]): [cell.strip() for cell in cells[2:]] for cells in lines[2:]}


@pytest.mark.parametrize(
    ("dtype", "divergences"),
    [
        pytest.param("bfloat16", ["JSD", "FKL", "RKL", "SKL"], marks=pytest.mark.slow),
        ("float32", ["SRKL"]),
    ],
)
def test_the_whole_program(dtype, divergences, tmp_path):
    """Floor, roofline, our time and its error stand in the table for each divergence."""
    file = tmp_path / "gpu.md"
    words = ["--dtype", dtype, "--divergences", *divergences, "--peers", "--table", str(file)]
    gpu.main([*TINY.split(), *words])
    text = file.read_text(encoding="utf-8")
    assert "row kernels: eager" in text and "12 x 300, 8/16" in text
    assert "Goals" not in text  # they are of another size
    rows = rows_of(text)
    assert len(rows) == 3 * len(divergences)
    for d in divergences:
        times = {n: float(rows[d, n][0]) for n in ("floor", "roofline", "limbeck")}
        assert 0 < times["floor"] < times["roofline"]
        loss, d_hidden, d_head = map(float, rows[d, "limbeck"][-3:])
        bound = 1e-5 if dtype == "float32" else 2e-2
        assert loss < 1e-5 and max(d_hidden, d_head) < bound


@pytest.mark.slow
def test_peers_take_part(capsys):
    """TRL and Liger change their interfaces; the comparison must not break on the one day."""
    pytest.importorskip("liger_kernel")
    gpu.main([*TINY.split(), "--divergences", "JSD", "SKL", "--peers", "trl chunked", "liger"])
    lines = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["  JSD", "trl chunked"] in lines and ["  JSD", "liger"] in lines
    assert ["  SKL", "limbeck"] in lines and ["  SKL", "liger"] not in lines  # it has none


def test_a_peer_that_is_not_installed(monkeypatch, capsys):
    """The machine with the GPU may have nothing but Limbeck."""
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda package: None)
    gpu.main([*TINY.split(), "--divergences", "FKL", "--peers", "liger compiled"])
    out = capsys.readouterr().out
    assert "liger compiled is left out: liger_kernel is not installed" in out
    assert "FKL | limbeck" in out and "FKL | liger" not in out


def test_a_program_that_computes_something_else(monkeypatch):
    """A time of the wrong loss would look like a result."""
    other = gpu.METHODS["limbeck"]
    wrong = {**gpu.METHODS, "limbeck": lambda p, d: other(p, gpu.BY_NAME["RKL"])}
    monkeypatch.setattr(gpu, "METHODS", wrong)
    with pytest.raises(AssertionError, match="computes something else"):
        gpu.main([*TINY.split(), "--divergences", "FKL", "--peers"])


def test_goals_stand_in_the_table_of_the_full_size(monkeypatch, tmp_path):
    """A missed goal must be as visible as one that is met."""
    report = gpu.Report("", "", ())
    problem = gpu.Problem.draw(gpu.Size(8, 64, 4, 4), torch.float32)
    monkeypatch.setattr(gpu, "_peak", lambda call, device: 3_000_000_000)
    gpu._measure(report, gpu.JSD, problem, gpu.Floor(problem), 1e9, [], 1, 4)
    goals = {goal.what: goal for goal in report.goals}
    assert set(goals) == {"JSD: Limbeck / floor", "JSD: peak, GB", "JSD: error of dH"}
    assert not goals["JSD: peak, GB"].met and goals["JSD: error of dH"].met


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu():
    words = [sys.executable, "-m", "benchmarks.gpu", "--quick"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no CUDA device" in done.stderr
