"""A head that FSDP2 has cut into pieces trains as a whole one does."""

from two_ranks import two_ranks

from .sharded_worker import CASES


def test_gradients_of_a_sharded_student_are_those_of_a_whole_one():
    """The gradient of the head would be as many times too large as there are ranks."""
    printed = two_ranks("targets.sharded_worker")
    for name in CASES:
        assert f"sound: {name}" in printed
