"""Means over seeds and tasks, and intervals: what every figure of a study is drawn from."""

import numpy as np
import pytest
from scipy import stats

from limbeck.reports.study.scale import scale_of
from limbeck.reports.study.tidy import averaged, over_seeds, over_students, read

from .sample import METHODS, SEEDS, STUDENTS, TASKS, TEACHERS, columns, study, table, temperatures


def test_units_are_means_over_seeds_and_cells_over_tasks():
    found, tidy = table(), read(study(), table())
    assert len(tidy.units) == len(METHODS) * len(STUDENTS) * len(TEACHERS) * len(TASKS)
    assert len(tidy.cells) == len(METHODS) * len(STUDENTS) * len(TEACHERS)
    names = ("method", "student", "teacher", "task")
    labels = dict(zip(names, ("gkd", "mini-4m", "teacher-33m", "sorting"), strict=True))
    here = [
        found["score"][i]
        for i in range(len(found["run"]))
        if all(found[name][i] == label for name, label in labels.items())
    ]
    (unit,) = [u for u in tidy.units if all(u[n] == label for n, label in labels.items())]
    assert len(here) == len(SEEDS) and unit["score"] == pytest.approx(np.mean(here))


def test_an_unbalanced_table_weighs_tasks_alike():
    """A seed that lacks a task must not make that task count less."""
    rows = [
        {"method": "kd", "task": "a", "seed": 0, "score": 0.2},
        {"method": "kd", "task": "a", "seed": 1, "score": 0.4},
        {"method": "kd", "task": "b", "seed": 0, "score": 0.9},
    ]
    tidy = read({}, columns(rows))
    assert tidy.cells[0]["score"] == pytest.approx((0.3 + 0.9) / 2)


def test_labels_stand_in_the_order_of_the_study_also_as_numbers():
    found = {"axes": {"method": ["b", "a"], "data.rows": ["1000", "200"]}}
    rows = [
        {"method": m, "data.rows": r, "task": "t", "score": 0.5} for m in "ab" for r in (200.0, 1e3)
    ]
    tidy = read(found, columns(rows))
    assert tidy.labels == {"method": ("b", "a"), "data.rows": (1000.0, 200.0)}


def test_what_is_missing_counts_for_nothing():
    rows = [
        {"method": "kd", "task": "a", "seed": 0, "score": 0.5, "agreement": float("nan")},
        {"method": "kd", "task": "b", "seed": 0, "score": np.float64(0.7), "agreement": 0.4},
        {"method": "kd", "task": "c", "seed": 0, "score": 0.0, "status": "failed"},
    ]
    every = {name: [row.get(name) for row in rows] for name in (*rows[0], "status")}
    every["status"][:2] = ["done", "done"]
    (cell,) = read({}, every).cells
    assert cell["score"] == pytest.approx(0.6) and cell["agreement"] == 0.4


def test_bits_of_text_are_not_averaged_with_shares():
    rows = [
        {"method": "kd", "task": "held-out", "metric": "bits_per_byte", "score": 1.4},
        {"method": "kd", "task": "quiz", "metric": "accuracy", "score": 0.4},
    ]
    both = read({}, columns(rows))
    assert both.cells[0]["score"] == 0.4 and both.scale.shares
    bits = read({}, columns(rows[:1]))
    assert bits.cells[0]["score"] == 1.4
    assert not bits.scale.shares and not bits.scale.higher_is_better
    assert (
        bits.scale.write(1.4) == "1.400" and bits.scale.difference(-0.02) == "\N{MINUS SIGN}0.020"
    )


def test_an_empty_table_has_no_rows():
    tidy = read({}, {})
    assert tidy.rows == () and tidy.cells == [] and tidy.methods == ()


def test_other_seeds_are_students_t_of_the_seeds_means():
    rng = np.random.default_rng(0)
    rows = [
        {"method": "kd", "task": task, "seed": seed, "score": rng.normal(0.5, 0.02)}
        for task in "abc"
        for seed in range(5)
    ]
    means = [np.mean([r["score"] for r in rows if r["seed"] == s]) for s in range(5)]
    half = stats.t.ppf(0.975, 4) * stats.sem(means)
    expected = (np.mean(means), np.mean(means) - half, np.mean(means) + half)
    assert over_seeds(rows, "score", ("method", "task")) == pytest.approx(expected)


def test_a_seed_that_lacks_a_task_is_in_the_mean_and_not_in_the_interval():
    rows = [
        {"task": task, "seed": seed, "score": 0.5 + seed / 100 + (task == "b") / 5}
        for task in "ab"
        for seed in range(3)
    ]
    mean, low, high = over_seeds(rows[:-1], "score", ("task",))
    assert mean == pytest.approx((0.51 + 0.705) / 2)
    assert (low + high) / 2 == pytest.approx(mean)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 1) * stats.sem([0.6, 0.61]))


def test_one_seed_has_no_interval():
    rows = [{"task": "a", "seed": 0, "score": 0.5}, {"task": "b", "seed": 0, "score": 0.7}]
    assert over_seeds(rows, "score", ("task",)) == (pytest.approx(0.6), None, None)


def test_six_students_are_resampled_whole_and_fewer_are_not():
    rows = [
        {"student": s, "task": t, "seed": seed, "improvement": s / 100 + seed / 1e4}
        for s in range(6)
        for t in "ab"
        for seed in range(3)
    ]
    (mean, low, high), unit = over_students(rows, "improvement", ("student", "task"))
    assert unit == "students" and mean == pytest.approx(0.0251) and low < 0.015 and high > 0.035
    few = [row for row in rows if row["student"] < 5]
    assert over_students(few, "improvement", ("student", "task"))[1] == "seeds"


def test_what_was_chosen_on_validation_is_no_part_of_the_cell():
    """Seeds of a cell may have other temperatures; their mean is still that of one cell."""
    found, values = temperatures()
    tidy = read(found, values)
    assert tidy.axes == ("student", "teacher", "method") and len(tidy.cells) == 2
    assert {row["run"] for row in tidy.kept} == set(found["selected"]["runs"])
    assert "method.temperature" in tidy.whole().axes and len(tidy.whole().kept) == len(tidy.rows)


def test_groups_keep_their_labels_and_nothing_that_is_no_number():
    (one,) = averaged([{"a": "x", "b": 1.0, "c": "w"}, {"a": "x", "b": 2.0, "c": "v"}], ("a",))
    assert one == {"a": "x", "b": 1.5}


def test_an_interval_of_shares_ends_where_shares_end():
    assert scale_of(["accuracy"]).span(-0.1, 1.115) == "0.0 to 100.0%"
    assert scale_of(["bits_per_byte"]).within(1.3) == 1.3
