"""The programs lie beside the package, not in it."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def threads_as_before():
    """The programs choose how many threads they use; other tests must not inherit that."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
