"""The benchmark of generation runs, and its table holds what was measured."""

import re

import pytest
import torch
from benchmarks.generation import DYNAMIC, OURS, STATIC, Size, row, table
from benchmarks.measuring import Timing

TINY = Size(batch=2, hidden=64, layers=1, vocabulary=50, prompt=4, new=3)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_table_has_a_row_for_each_size_and_count_of_threads():
    text = table([TINY], rounds=2, thread_counts=[1, 2], command="python -m benchmarks.generation")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| batch")]
    assert [r[1].strip() for r in rows] == ["1", "2"]
    for _, _, speed, *ratios in rows:
        assert float(speed) > 0
        for ratio in ratios:
            median, low, high = map(float, re.findall(r"[\d.]+", ratio))
            assert 0 < low <= median <= high
    assert f"torch {torch.__version__.split('+')[0]}" in text and "2 rounds" in text


def test_a_ratio_is_of_the_same_round():
    """Medians of separate times would compare rounds in which the machine was busy with others."""
    seconds = {OURS: [1.0, 10.0, 2.0], DYNAMIC: [2.0, 30.0, 2.0], STATIC: [4.0, 10.0, 1.0]}
    timings = {name: Timing(rounds) for name, rounds in seconds.items()}
    cells = [cell.strip() for cell in row(TINY, 1, timings).split("|")[1:-1]]
    assert cells[1:] == ["1", "3", "2.00 [1.00, 3.00]", "1.00 [0.50, 4.00]"]
