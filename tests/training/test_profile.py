"""Where a step goes: each moment belongs to one part, and only steps count."""

import itertools

import pytest

from limbeck import profile as profiling
from limbeck.engines import Sampling
from limbeck.methods import GKD
from limbeck.profile import Profile, begin_step, end_step, span

from .world import make_rows, make_student, make_teacher, make_trainer


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock is a second later than the one before."""
    ticks = itertools.count()
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: float(next(ticks)))


def test_each_moment_belongs_to_the_innermost_part(clock):
    with Profile() as profile:
        for _ in range(3):
            begin_step()
            with span("data"):
                pass
            with span("backward"):
                with span("student"):
                    pass
                with span("loss"):
                    pass
            end_step()
            with span("teacher"):  # an evaluation, between steps
                pass
    found = {part.name: part for part in profile.parts()}
    # One second between two neighbouring marks: backward has three intervals, the rest three.
    assert {name: part.seconds for name, part in found.items()} == {
        "data": 1.0,
        "student": 1.0,
        "loss": 1.0,
        "backward": 3.0,
        "optimiser": 3.0,
    }
    assert sum(part.share for part in found.values()) == pytest.approx(1)
    assert list(found) == [name for name in profiling.PARTS if name in found]


def test_nothing_is_measured_unless_asked():
    begin_step()
    with span("data"):
        pass
    end_step()
    profile = Profile()
    assert profile.parts() == [] and profile.steps == 0


def test_a_training_has_every_part(tmp_path):
    trainer = make_trainer(
        tmp_path,
        GKD(lmbda=1.0),
        make_student(),
        make_teacher(),
        rows=make_rows(),
        eval_dataset=make_rows(3, seed=1),
        eval_strategy="steps",
        eval_steps=1,
        generation=Sampling(max_new_tokens=4),
        gradient_accumulation_steps=2,
        per_device_train_batch_size=4,
        max_steps=3,
    )
    with Profile() as profile:
        trainer.train()
    assert profile.steps == 3
    parts = profile.parts()
    assert [part.name for part in parts] == list(profiling.PARTS)
    assert all(part.seconds > 0 and part.peak_bytes >= 0 for part in parts)
