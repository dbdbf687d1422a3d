"""What was written earlier and is trained on again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data.batch import Author, Sequence
from limbeck.sources import Replay


def row(i, **fields):
    return Sequence((2, i), (3 + i, 1), Author.STUDENT, example=i, **fields)


ROWS = [row(i) for i in range(10)]


def filled(capacity, rows=ROWS):
    replay = Replay(capacity)
    replay.push(rows)
    return replay


def test_the_oldest_leave_first():
    replay = Replay(4)
    assert not replay.full
    replay.push(ROWS[:3])
    assert list(replay.rows) == ROWS[:3] and not replay.full
    replay.push(ROWS[3:6])
    assert list(replay.rows) == ROWS[2:6] and replay.full
    replay.push(ROWS)
    assert list(replay.rows) == ROWS[6:]


def test_what_is_held_takes_the_place_of_all(tmp_path):
    """MiniLLM trains on one window of rollouts for some steps, however large it is."""
    replay = Replay(0)
    replay.hold(ROWS[:3])
    assert list(replay.rows) == ROWS[:3]
    replay.hold(ROWS[3:8])
    assert list(replay.rows) == ROWS[3:8]
    replay.save(tmp_path / "replay.json")
    again = Replay(0)
    again.load(tmp_path / "replay.json")
    assert list(again.rows) == ROWS[3:8]


@given(st.integers(1, 10), st.integers(1, 25), st.integers(0, 99))
def test_a_draw_repeats_only_what_it_must(kept, count, seed):
    replay = filled(kept)
    drawn = replay.draw(count, seed)
    assert len(drawn) == count
    times = [drawn.count(r) for r in replay.rows]
    assert sum(times) == count and max(times) - min(times) <= 1


def test_a_draw_is_a_function_of_its_seed_and_of_nothing_else():
    """A resumed run would train on other text than an uninterrupted one."""
    replay = filled(10)
    first = replay.draw(4, 7)
    replay.draw(3, 8)
    assert replay.draw(4, 7) == first == filled(10).draw(4, 7)
    assert len({tuple(r.example for r in replay.draw(4, seed)) for seed in range(20)}) > 15
    assert list(replay.rows) == ROWS, "a draw takes nothing out"


def test_every_row_is_as_likely():
    replay, n = filled(5, ROWS[:5]), 3000
    counts = dict.fromkeys(range(5), 0)
    for seed in range(n):
        for r in replay.draw(2, seed):
            counts[r.example] += 1
    expected = n * 2 / 5
    assert all(abs(c - expected) < 5 * expected**0.5 for c in counts.values())


def test_a_checkpoint_keeps_all_of_it(tmp_path):
    """The prompts, ids, authors and log-probabilities to the last bit, and their order."""
    rows = [
        row(0),
        Sequence((5,), (6, 7), Author.BOTH, 3, log_probs=(-0.1, -1 / 3)),
        Sequence((5, 5), (1,), Author.DATA, rejected=(8, 1), weight=0.1 + 0.2),
        Sequence((9,), (), Author.CORPUS),
    ]
    replay, again = filled(4, rows), filled(4)
    replay.save(tmp_path / "replay.json")
    again.load(tmp_path / "replay.json")
    assert list(again.rows) == rows and again.full
    assert all(type(r.author) is Author for r in again.rows)
    assert again.draw(3, 1) == replay.draw(3, 1)
    again.push([row(7)])
    assert len(again.rows) == 4, "the capacity stays its own"


@pytest.mark.parametrize("capacity", [2, 4])
def test_a_smaller_buffer_keeps_the_newest_of_a_checkpoint(tmp_path, capacity):
    filled(4, ROWS[:4]).save(tmp_path / "replay.json")
    smaller = Replay(capacity)
    smaller.load(tmp_path / "replay.json")
    assert list(smaller.rows) == ROWS[4 - capacity : 4]
