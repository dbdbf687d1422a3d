"""Numbers that move: each kind's values, what it listens to, how a recipe writes it."""

import itertools
import json
import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limbeck.methods import GKD, JSD, METHODS, TAID, DistiLLM
from limbeck.recipe.method import build_method
from limbeck.schedules import (
    SCHEDULES,
    Cosine,
    Exponential,
    Linear,
    LossDriven,
    Moment,
    Sawtooth,
    ValidationDriven,
    highest,
    lowest,
    words,
)


def values(schedule, n=4, rounds=1):
    """At each step of each round, the last moment included."""
    moments = [Moment(i, n, r, rounds) for r in range(rounds) for i in range(n)]
    return [schedule.value(m, {}) for m in [*moments, Moment(n, n, rounds - 1, rounds)]]


def test_progress_runs_over_all_rounds():
    moments = [Moment(i, 4, r, 2) for r in range(2) for i in range(4)]
    assert [m.progress for m in moments] == [i / 8 for i in range(8)]
    assert [m.within_round for m in moments] == [i / 4 for i in range(4)] * 2
    assert Moment(0, 0).progress == 0


def test_linear():
    assert values(Linear(0.2, 1.0)) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert values(Linear(1.0, 0.2)) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert values(Linear(0.5, 0.75, until=0.5)) == pytest.approx([0.5, 0.625, 0.75, 0.75, 0.75])
    assert values(Linear(0.0, 1.0), 2, rounds=2) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_cosine():
    half = (1 + math.cos(math.pi / 4)) / 2
    assert values(Cosine(1.0, 0.0)) == pytest.approx([1, half, 0.5, 1 - half, 0], abs=1e-15)
    assert values(Cosine(0.2, 0.6))[2] == pytest.approx(0.4)


def test_exponential_has_one_factor():
    """ImitKD's beta = r^(-i / I)."""
    found = values(Exponential(1.0, 1 / 200), 100)
    assert found == pytest.approx([200 ** (-i / 100) for i in range(101)])
    ratios = [b / a for a, b in itertools.pairwise(found)]
    assert ratios == pytest.approx([ratios[0]] * 100)
    for ends in ((0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)):
        with pytest.raises(ValueError, match="above 0"):
            Exponential(*ends)


@pytest.mark.parametrize("until", [0.0, -0.5, 1.5, math.nan])
def test_until_is_a_fraction(until):
    with pytest.raises(ValueError, match="until"):
        Linear(0.0, 1.0, until=until)


def test_sawtooth_is_clipped_in_each_round_anew():
    """clip(e / E + tau / T, 0.5, 1), e = 1..E."""
    expected = [min(max(e / 3 + tau / 4, 0.5), 1.0) for e in (1, 2, 3) for tau in range(4)]
    assert values(Sawtooth(0.5, 1.0), 4, rounds=3)[:-1] == pytest.approx(expected)
    assert expected[0] == 0.5 and expected[2] > expected[4] > 0.5 and expected[8] == 1.0


numbers = st.floats(1e-3, 100)


@given(st.sampled_from([Linear, Cosine, Exponential]), numbers, numbers, st.integers(1, 300))
def test_values_lie_between_their_ends(cls, start, end, n):
    schedule = cls(start, end)
    low, high = schedule.bounds
    found = values(schedule, n)
    assert all(low * (1 - 1e-9) <= v <= high * (1 + 1e-9) for v in found)
    assert found[0] == pytest.approx(start) and found[-1] == pytest.approx(end)


@pytest.mark.parametrize("cls", [Linear, Cosine, Exponential])
@pytest.mark.parametrize("edge", [1e-6, 1 - 1e-6])
def test_rounding_does_not_leave_a_range(cls, edge):
    """A method is checked again at each value: a last bit too much would end the training."""
    for i in range(1, 100):
        for schedule in (cls(edge, i / 100), cls(i / 100, edge)):
            method = JSD(beta=schedule)
            for moment in (Moment(0, 9), Moment(9, 9)):
                assert method.at(moment, {"beta": {}}).beta == pytest.approx(
                    schedule.start if moment.index == 0 else schedule.end
                )


# --- what listens to the loss --------------------------------------------------------------------


def taid(losses, total, start, end, alpha, beta):
    """The paper's algorithm, line by line: t after each update."""
    t, m, previous, out = start, 0.0, None, []
    for n, loss in enumerate(losses, start=1):
        if previous is not None:
            delta = (previous - loss) / (previous + 1e-15)
            m = beta * m + (1 - beta) * delta
            step = alpha * (1 / (1 + math.exp(-m))) * (1 - t)
        else:
            step = 0.0
        t = min(end, max(start + (end - start) * n / total, t + step))
        previous = loss
        out.append(t)
    return out


@pytest.mark.parametrize(
    ("start", "end", "rate", "momentum"),
    [(0.4, 1.0, 5e-4, 0.99), (0.2, 0.9, 0.05, 0.5), (0.0, 1.0, 0.5, 0.9)],
)
def test_loss_driven_is_taids_algorithm(start, end, rate, momentum):
    """Over 200 random losses; with a large rate it runs far ahead of its line."""
    drawn = random.Random(7)
    losses = [math.exp(drawn.gauss(0, 1)) for _ in range(200)]
    schedule = LossDriven(start, end, rate=rate, momentum=momentum)
    state, found = schedule.init(), []
    assert schedule.value(Moment(0, 200), state) == start
    for n, loss in enumerate(losses, start=1):
        # The trainer has counted the step when it tells of it.
        state = json.loads(json.dumps(schedule.on_step(state, loss, Moment(n, 200))))
        found.append(schedule.value(Moment(n, 200), state))
    expected = taid(losses, 200, start, end, rate, momentum)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found[-1] == end and found == sorted(found)
    if rate > 0.01:
        line = [start + (end - start) * n / 200 for n in range(1, 201)]
        assert max(t - x for t, x in zip(found, line, strict=True)) > 0.1


def test_loss_driven_survives_a_loss_of_zero_and_a_jump():
    schedule = LossDriven(0.4, 1.0)
    state = schedule.init()
    for n, loss in enumerate([1.0, 0.0, 0.0, 1e6, 1e-6], start=1):
        state = schedule.on_step(state, loss, Moment(n, 9))
        assert 0.4 <= schedule.value(Moment(n, 9), state) <= 1.0


def listened(schedule, losses):
    state, found = schedule.init(), [schedule.value(Moment(0, 1), schedule.init())]
    for loss in losses:
        state = schedule.on_evaluation(state, {"eval_label_nll": loss, "eval_loss": -loss})
        found.append(schedule.value(Moment(0, 1), state))
    return found


def test_validation_driven_compares_with_the_evaluation_before():
    """A rise of epsilon counts, a smaller one does not; the first is only remembered."""
    schedule = ValidationDriven(0.0, 1.0, step=0.25, tolerance=0.5)
    losses = [2.0, 2.5, 2.75, 3.25, 1.0, 1.25, 9.0]
    expected = [0, 0, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75]
    assert listened(schedule, losses) == expected


def test_the_two_rules_of_distillm_differ_where_the_loss_creeps():
    """The released code compares with the last rise: small rises add up, and falls do not count."""
    creeping = [2.0, 2.25, 2.5, 2.75, 3.0]
    falling = [2.0, 1.0, 1.75]
    paper, code = (
        ValidationDriven(0.0, 1.0, step=0.1, tolerance=0.5, compare=c)
        for c in ("previous", "trigger")
    )
    assert listened(paper, creeping)[-1] == 0
    assert listened(code, creeping) == pytest.approx([0, 0, 0, 0.1, 0.1, 0.2])
    assert listened(paper, falling)[-1] == pytest.approx(0.1)
    assert listened(code, falling)[-1] == 0


@pytest.mark.parametrize("compare", ["previous", "trigger"])
def test_validation_driven_ends_at_its_end(compare):
    schedule = ValidationDriven(0.25, 0.7, step=0.2, tolerance=0.1, compare=compare)
    assert listened(schedule, range(6)) == pytest.approx([0.25, 0.25, 0.45, 0.65, 0.7, 0.7, 0.7])


def test_an_evaluation_is_no_step_and_a_step_no_evaluation():
    """The released code moves t in its validation as well."""
    driven, validation = LossDriven(0.4, 1.0), ValidationDriven(0.0, 1.0)
    assert driven.on_evaluation(driven.init(), {"eval_label_nll": 9.0}) == driven.init()
    assert validation.on_step(validation.init(), 9.0, Moment(1, 9)) == validation.init()


@pytest.mark.parametrize("cls", [LossDriven, ValidationDriven, Sawtooth])
def test_what_only_rises_cannot_fall(cls):
    """From 1 to 0.4 it would be at 0.4 after its first step, whatever the loss does."""
    with pytest.raises(ValueError, match="rise"):
        cls(1.0, 0.4)


# --- in methods and recipes ----------------------------------------------------------------------


def test_the_defaults_that_move():
    """What the papers move, and nothing else."""
    found = {n: cls().schedules for n, cls in METHODS.items() if cls().schedules}
    assert found == {
        "dkd": {"lmbda": Linear(0.0, 1.0, until=1 / 12)},
        "imitkd": {"beta": Exponential(1.0, 1 / 200)},
        "distillm": {"phi": ValidationDriven(0.0, 1.0, step=0.1, tolerance=0.1)},
        "distillm2": {"beta": Linear(0.5, 0.75, until=0.5)},
        "taid": {"t": LossDriven(0.4, 1.0, rate=5e-4, momentum=0.99)},
    }


def test_a_method_at_a_moment_has_numbers():
    method = TAID()
    assert method.at(Moment(3, 9), {"t": {"t": 0.625, "m": 0.0}}) == TAID(t=0.625)
    assert DistiLLM().at(Moment(0, 9), {"phi": {"value": 0.3}}).phi == 0.3
    still = GKD(beta=0.3)
    assert still.at(Moment(3, 9), {}) is still


def test_the_ends_of_a_number():
    assert (lowest(0.3), highest(0.3)) == (0.3, 0.3)
    assert (lowest(Linear(0.9, 0.2)), highest(Linear(0.9, 0.2))) == (0.2, 0.9)


@dataclass(frozen=True)
class Written:
    schedule: object
    words: dict


WRITTEN = [
    Written(Linear(0.5, 0.75), {"schedule": "linear", "from": 0.5, "to": 0.75, "until": 1.0}),
    Written(Cosine(0.9, 0.1), {"schedule": "cosine", "from": 0.9, "to": 0.1}),
    Written(Exponential(1.0, 0.1), {"schedule": "exponential", "from": 1.0, "to": 0.1}),
    Written(Sawtooth(0.5, 1.0), {"schedule": "sawtooth", "from": 0.5, "to": 1.0}),
    Written(
        LossDriven(0.2, 1.0),
        {"schedule": "loss_driven", "from": 0.2, "to": 1.0, "rate": 5e-4, "momentum": 0.99},
    ),
    Written(
        ValidationDriven(0.0, 1.0, compare="trigger"),
        {
            "schedule": "validation_driven",
            "from": 0.0,
            "to": 1.0,
            "step": 0.1,
            "tolerance": 0.1,
            "compare": "trigger",
        },
    ),
]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda w: w.words["schedule"])
def test_a_recipe_says_what_the_schedule_is(written):
    """What a report prints could not be pasted into a recipe."""
    assert words(written.schedule) == written.words
    method = build_method({"name": "gkd", "beta": words(written.schedule)})
    assert method == GKD(beta=written.schedule)


def test_every_kind_is_written_here():
    assert {w.words["schedule"] for w in WRITTEN} == set(SCHEDULES)


@given(numbers, numbers)
def test_what_a_schedule_remembers_goes_through_a_file(first, second):
    """A resumed training would take another path."""
    assume(first != second)
    for schedule in (LossDriven(0.1, 1.0, rate=0.3), ValidationDriven(0.1, 1.0)):
        state = schedule.init()
        for loss in (first, second):
            state = schedule.on_step(state, loss, Moment(1, 9))
            state = schedule.on_evaluation(state, {"eval_label_nll": loss})
        again = json.loads(json.dumps(dict(state)))
        assert again == state
        assert schedule.on_step(again, 1.0, Moment(2, 9)) == schedule.on_step(
            state, 1.0, Moment(2, 9)
        )
