"""What a method decides and remembers is the same on two ranks, and the same as on one."""

import pytest
import torch

from two_ranks import two_ranks as run_two_ranks

from .method_ranks_worker import CASES, run
from .world import make_student, weights


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run_two_ranks("training.method_ranks_worker", folder, 1)
    return torch.load(folder / "result.pt")


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    return run(tmp_path_factory.mktemp("one"), 2)


@pytest.mark.parametrize("name", CASES)
def test_weights_are_the_same(one_rank, two_ranks, name):
    one, two = one_rank[name]["weights"], two_ranks[name]["weights"]
    begun = weights(make_student())
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-10, msg=key)
    assert any(not torch.equal(value, begun[key]) for key, value in one.items())


@pytest.mark.parametrize("name", ["taid", "distillm2"])
def test_what_is_remembered(one_rank, two_ranks, name):
    """TAID's t and its momentum, DistiLLM-2's anchors."""
    here, there = two_ranks[name]["memories"]
    assert here == there
    (alone,) = one_rank[name]["memories"]
    if name == "taid":
        assert here["moving"]["t"] == pytest.approx(alone["moving"]["t"], rel=1e-5)
        assert here["moving"]["t"]["m"] != 0
    else:
        assert here["value"] == pytest.approx(alone["value"], rel=1e-5)
        assert all(m != 0 for m in here["value"].values())


@pytest.mark.parametrize("name", ["gkd", "distillm"])
def test_draws_are_of_all_ranks(one_rank, two_ranks, name):
    """A rank that trains on other text than its neighbour would take half of another step."""
    here, there = two_ranks[name]["choices"]
    assert here == there == one_rank[name]["choices"][0]
    assert ["STUDENT"] in here and ["TEACHER"] in here
