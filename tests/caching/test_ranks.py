"""Two ranks that share a cache are one rank with the same global batch."""

import os
import subprocess
import sys
from pathlib import Path

import torch

import limbeck
from limbeck.caching import Origin, TopKEncoding, write_cache
from limbeck.targets import ModelTeacher
from training.models import PAD, VOCABULARY
from training.world import make_teacher

from .ranks_worker import ROWS, run


def test_two_ranks_share_a_cache(tmp_path):
    teacher = ModelTeacher(make_teacher(dtype=torch.float32), VOCABULARY)
    encoding, origin = TopKEncoding(VOCABULARY, 6), Origin({}, {}, {}, {}, {}, 0)
    write_cache(tmp_path / "cache", ROWS, teacher, encoding, origin, PAD, shard_bytes=500)
    roots = [Path(__file__).parents[1], Path(limbeck.__file__).parents[1]]
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *("-m", "caching.ranks_worker", str(tmp_path)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    two, one = torch.load(tmp_path / "weights.pt"), run(tmp_path, 8)
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-10, msg=key)
