"""The benchmark of continuous batching compares ways that write the same tokens."""

import re

import pytest
import torch
from benchmarks.continuous import OURS, PLAIN, SMALL, table, ways
from benchmarks.measuring import Timing

from training.models import build_llama


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_both_write_the_same():
    """A ratio of other work would say nothing; each call asserts what it wrote."""
    calls = ways(build_llama(0, max_position_embeddings=128), count=3, new=4)
    assert list(calls) == [OURS, PLAIN, SMALL]
    calls[OURS]()
    calls[SMALL]()


def test_the_table_holds_what_was_measured():
    timings = {OURS: Timing([1.0, 2.0]), PLAIN: Timing([10.0, 30.0]), SMALL: Timing([3.0, 4.0])}
    text = table(timings, count=5, new=6, rounds=2, command="python -m benchmarks.continuous m")
    rows = [line for line in text.splitlines() if line.startswith(("| ours", "| continuous"))]
    numbers = [re.findall(r"[\d.]+", row.replace(",", " ")) for row in rows]
    assert numbers == [["20"], ["2", "12.50", "10.00", "15.00"], ["9", "2.50", "2.00", "3.00"]]
