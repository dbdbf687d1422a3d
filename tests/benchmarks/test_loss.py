"""The comparison of the loss compares the same thing, and its figures are what they say."""

import dataclasses
import functools
import platform

import psutil
import pytest
import torch
from benchmarks.loss import QUICK, main
from benchmarks.measuring import (
    Timing,
    allocator_as_limbeck_has_it,
    allocator_as_usual,
    can_measure_memory,
    geometric_mean,
    in_fresh_process,
    interleave,
    memory_rise,
    ratio,
)
from benchmarks.peers import METHODS, OWN, PEERS, check, reference
from benchmarks.plan import check_one
from benchmarks.problem import Problem, Size
from benchmarks.tables import Goal
from benchmarks.textbook import BY_NAME, FKL, JSD, RKL, TVD, jensen_shannon

TINY = Size(12, 50, 6, 10)
EAGER = sorted(set(PEERS) - {"liger compiled"})


@pytest.fixture
def problem():
    """A third of the tokens masked."""
    return Problem.draw(TINY, masked=1 / 3)


@pytest.mark.parametrize("name", EAGER)
@pytest.mark.parametrize("d", [FKL, RKL, jensen_shannon(0.3)], ids=["FKL", "RKL", "JSD 0.3"])
def test_peers_compute_what_we_compute(problem, d, name):
    """A ratio would compare two different losses: beta turned round, masked tokens counted in."""
    check(name, METHODS[name](problem, d), reference(problem, d), tolerance=1e-5)


@pytest.mark.parametrize("name", sorted(OWN))
@pytest.mark.parametrize("divergence", sorted(BY_NAME))
def test_we_compute_what_the_formula_says(problem, divergence, name):
    d = BY_NAME[divergence]
    check(name, METHODS[name](problem, d), reference(problem, d), d.tolerance)


def test_a_program_that_computes_something_else_is_refused(problem):
    """Its time would enter the table."""
    other = METHODS["limbeck"](problem, jensen_shannon(0.7))
    with pytest.raises(AssertionError, match="computes something else"):
        check("limbeck", other, reference(problem, jensen_shannon(0.3)))
    unmasked = METHODS["limbeck"](Problem.draw(TINY), TVD)
    with pytest.raises(AssertionError, match="computes something else"):
        check("limbeck", unmasked, reference(problem, TVD), TVD.tolerance)


def test_the_check_before_a_time_says_how_large_the_error_is(problem):
    assert 0 < check_one(problem, JSD) < 1e-5


def test_ratios_are_paired_by_round():
    """A machine that slows down between rounds would look like a slow program."""
    slow, fast = Timing([2.0, 20.0, 200.0]), Timing([1.0, 10.0, 50.0])
    found = ratio(slow, fast)
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 2.0, 4.0, 3)
    assert ratio(Timing([6.0]), fast).rounds == 1
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_calls_take_turns():
    order, seen = [], []
    calls = {name: functools.partial(order.append, name) for name in "abc"}
    timings = interleave(calls, 3, {"b": 1}, lambda name, result: seen.append(name))
    assert order == [*"abc", *"ac", *"ac"]
    assert seen == [*"abc"]
    assert {name: len(t.seconds) for name, t in timings.items()} == {"a": 3, "b": 1, "c": 3}


@pytest.mark.skipif(not can_measure_memory(), reason="this kernel does not tell")
def test_memory_is_what_a_call_needs_at_its_peak():
    """Memory that is freed before the call returns would not be seen."""
    mega = 2**20

    def call():
        torch.ones(64 * mega // 4)
        return torch.ones(16 * mega // 4)

    assert 60 * mega < memory_rise(call) < 100 * mega


@pytest.mark.skipif(not can_measure_memory(), reason="this kernel does not tell")
def test_memory_of_the_loss_is_measured_in_a_process_of_its_own():
    words = ("full logits", "FKL", "1024", "4096", "8", "8")
    found = in_fresh_process("benchmarks.peak", words, threads=1)
    assert found["d_head"] == 4096 * 8 * 4
    assert found["rise"] > 2 * 1024 * 4096 * 4  # student's and teacher's logits at least


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_others_run_with_the_allocator_as_it_is_without_limbeck():
    """They would profit from a setting that they do not have."""
    mega = 2**20

    def resident():
        return psutil.Process().memory_info().rss

    allocator_as_usual()
    before = resident()
    allocator_as_limbeck_has_it()
    assert resident() - before > 150 * mega
    allocator_as_usual()
    assert resident() - before < 100 * mega


def test_goals_say_pass_or_miss():
    assert str(Goal("a", 1.07, 1.08)).startswith("pass") and not Goal("a", 1.09, 1.08).met
    assert str(Goal("a", 1.7, 1.8, at_least=True)).startswith("**miss**")


@pytest.mark.parametrize("section", ["grid", "others", "peers", "masked", "bf16", "wall"])
def test_sections_run_and_leave_a_table(section, tmp_path, monkeypatch):
    """A program that is only run once a year would be found broken then."""
    small = Size(16, 64, 8, 8)
    fields = {"sizes": (small, Size(8, 96, 8, 8)), "masked": small}
    monkeypatch.setattr("benchmarks.loss.QUICK", dataclasses.replace(QUICK, **fields))
    main(["--quick", "--rounds", "1", "--only", section, "--tables", str(tmp_path)])
    text = (tmp_path / f"loss-{section}.md").read_text(encoding="utf-8")
    assert f"python -m benchmarks.loss --only {section} --quick --rounds 1" in text
    assert "torch " in text and "cores" in text
    rows = {"grid": 12, "others": 8, "peers": 6, "wall": 3}
    rows |= {"masked": 2 + len({*EAGER} - {"liger"}), "bf16": 2 * (3 + len(EAGER))}
    assert sum(line.startswith("| ") for line in text.splitlines()) == rows[section] + 1
