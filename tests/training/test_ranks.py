"""Two ranks are one rank with the same global batch."""

import pytest
import torch

from two_ranks import two_ranks as run_two_ranks

from .ranks_worker import CASES, ROWS, run


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run_two_ranks("training.ranks_worker", folder, 1)
    return torch.load(folder / "result.pt")


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    return run(tmp_path_factory.mktemp("one"), 2)


@pytest.mark.parametrize("name", [*CASES, "resumed"])
def test_weights_are_the_same(one_rank, two_ranks, name):
    """Two GPUs would train with half, or twice, the learning rate of one."""
    assert (one_rank[name]["ranks"], two_ranks[name]["ranks"]) == (1, 2)
    one, two = one_rank[name]["weights"], two_ranks[name]["weights"]
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-10, msg=key)


@pytest.mark.parametrize("name", [*CASES, "resumed"])
@pytest.mark.parametrize("kind", ["loss", "eval_loss"])
def test_losses_and_terms_are_the_same(one_rank, two_ranks, name, kind):
    """A curve would depend on the number of ranks; an evaluation would count rows twice."""
    ignored = ("runtime", "per_second", "epoch", "step")
    curves = [
        [
            {k: v for k, v in h.items() if not k.endswith(ignored)}
            for h in ranks[name]["log"]
            if kind in h
        ]
        for ranks in (one_rank, two_ranks)
    ]
    assert len(curves[0]) == len(curves[1]) == {"loss": 4, "eval_loss": 2}[kind]
    for one, two in zip(*curves, strict=True):
        assert len(one) >= 2 and two == pytest.approx(one, rel=1e-5)


def test_what_was_trained_on_is_counted_over_all_ranks(one_rank, two_ranks):
    """The costs in the report would be those of one rank, or of a rank counted twice."""
    twice = 2 * sum(len(row.completion) for row in ROWS)  # 4 steps of 8 rows
    assert one_rank["resumed"]["seen"] == (twice, 32)
    assert two_ranks["resumed"]["seen"] == (twice, 32)
