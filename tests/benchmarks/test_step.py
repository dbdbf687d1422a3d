"""Whole steps beside TRL's, and two ranks beside one."""

import dataclasses

import benchmarks.ranks as ranks
import benchmarks.step as step
import pytest
from benchmarks.tiny import StepClock, World

pytest.importorskip("trl")

CASE = step.Case(step.TINY, on_policy=False, beta=0.5, steps=2)


@pytest.mark.parametrize(
    "section, rows", [("offpolicy", 2), ("onpolicy", 3), ("halfteacher", 2), ("cached", 2)]
)
def test_sections_run_and_leave_a_table(section, rows, tmp_path):
    """They also refuse to, unless all trainers start from the same loss."""
    step.main(["--quick", "--only", section, "--tables", str(tmp_path)])
    text = (tmp_path / f"step-{section}.md").read_text(encoding="utf-8")
    assert f"python -m benchmarks.step --only {section} --quick" in text
    assert sum(line.startswith("| ") for line in text.splitlines()) == rows + 1


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_the_two_kullback_leibler_divergences_are_the_same_way_round(beta):
    makers = {"Limbeck": step.limbeck, "TRL GKDTrainer": step.trl_gkd}
    case = dataclasses.replace(CASE, beta=beta)
    step._agree({name: step.train(make, case)[1] for name, make in makers.items()}, case)


def test_trainers_that_minimise_something_else_are_refused():
    """A ratio of times would compare two different objectives."""
    same = {"loss": 0.5, "grad_norm": 1.0}
    step._agree({"Limbeck": same, "other": same}, CASE)
    for name in same:
        other = same | {name: 1.001 * same[name]}
        with pytest.raises(AssertionError, match=f"other starts with {name}"):
            step._agree({"Limbeck": same, "other": other}, CASE)


def test_stored_targets_are_those_of_the_text():
    """Fewer events can only lower the divergence; targets of other rows would raise it."""
    case = dataclasses.replace(CASE, beta=0.0)
    whole = step.train(step.limbeck, case)[1]["loss"]
    stored = step.train(step.kd_from_memory, case)[1]["loss"]
    assert 0.7 * whole < stored < whole


def test_a_step_lasts_from_end_to_end():
    """Generation lies before the step begins in one program and after that in the other."""
    clock = StepClock(iter([10.0, 13.0, 14.0]).__next__)
    for _ in range(3):
        clock.on_step_end()
    assert clock.seconds == 2.0


def test_text_is_as_long_as_it_says():
    world = World(50, batch=3, prompt=5, completion=4)
    rows = world.rows(steps=2, ranks=2)
    assert len(rows) == 12 and world.tokens == 12
    assert {(len(r.prompt), len(r.completion)) for r in rows} == {(5, 4)}
    assert min(min(r.prompt + r.completion) for r in rows) > 1  # neither padding nor the end


def test_ranks_that_train_on_something_else_are_refused():
    ranks._agree(1.0, 1.00001)
    with pytest.raises(AssertionError, match="start with a loss of"):
        ranks._agree(1.0, 1.01)


@pytest.mark.slow
def test_ranks_run_and_leave_a_table(tmp_path):
    ranks.main(["--quick", "--tables", str(tmp_path)])
    text = (tmp_path / "ranks-kd.md").read_text(encoding="utf-8")
    assert text.count("| 200 |") == 1
