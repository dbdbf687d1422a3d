"""Two ranks that share a cache are one rank with the same global batch."""

import torch

from limbeck.caching import Origin, TopKEncoding, write_cache
from limbeck.targets import ModelTeacher
from training.models import PAD, VOCABULARY
from training.world import make_teacher
from two_ranks import two_ranks

from .ranks_worker import ROWS, run


def test_two_ranks_share_a_cache(tmp_path):
    teacher = ModelTeacher(make_teacher(dtype=torch.float32), VOCABULARY)
    encoding, origin = TopKEncoding(VOCABULARY, 6), Origin({}, {}, {}, {}, {}, 0)
    write_cache(tmp_path / "cache", ROWS, teacher, encoding, origin, PAD, shard_bytes=500)
    two_ranks("caching.ranks_worker", tmp_path)
    two, one = torch.load(tmp_path / "weights.pt"), run(tmp_path, 8)
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-10, msg=key)
