"""A head that FSDP2 has cut into pieces trains as a whole one does."""

import os
import subprocess
import sys
from pathlib import Path

import limbeck

from .sharded_worker import CASES


def test_gradients_of_a_sharded_student_are_those_of_a_whole_one():
    """The gradient of the head would be as many times too large as there are ranks."""
    roots = [Path(__file__).parents[1], Path(limbeck.__file__).parents[1]]
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *("-m", "targets.sharded_worker"),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    for name in CASES:
        assert done.stdout.count(f"sound: {name}") == 2
