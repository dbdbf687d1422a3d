"""Hypotheses: what may be asked, what is compared with what, and what becomes of it."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from limbeck.studies import hypotheses
from limbeck.studies.hypotheses import Hypothesis, Result, axes_of
from limbeck.studies.hypotheses.power import for_correlation, for_equivalence, for_shift, t_power


def claim(kind: str, **keys: Any) -> Any:
    return TypeAdapter(Hypothesis).validate_python({"claim": "it is so", "kind": kind, **keys})


def outcome(table: dict[str, list[Any]], kind: str, **keys: Any) -> Result:
    return hypotheses.test([claim(kind, **keys)], table)[0]


def grid(score, *, seeds: int = 5, tasks=("sums",), students=("s",), methods=("kd", "gkd"), **more):
    """A table in which ``score(student, method, task, seed)`` is the score, and SFT is 0.5."""
    rows = [
        {
            "run": f"{s}-{m}-{seed}",
            "seed": seed,
            "task": task,
            "student": s,
            "method": m,
            "metric": "accuracy",
            "score": score(s, m, task, seed),
            "sft_score": 0.5,
            "improvement": score(s, m, task, seed) - 0.5,
            "status": "done",
            **{name: column(s, m, task, seed) for name, column in more.items()},
        }
        for s in students
        for m in methods
        for seed in range(seeds)
        for task in tasks
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


NOISE = np.random.default_rng(0).normal(0, 0.01, (4, 12))


def noisy(s: str, m: str, task: str, seed: int) -> float:
    place = ["kd", "gkd"].index(m) + 2 * (task == "words")
    return 0.55 + 0.05 * (m == "kd") + NOISE[place, seed]


def test_axes_are_the_columns_that_are_no_measurements():
    assert axes_of(grid(noisy, agreement=lambda *_: 0.5)) == ("student", "method")


def test_improvement_is_a_t_test_over_seeds():
    table = grid(noisy)
    found = outcome(table, "improvement")
    means = 0.05 + 0.025 + NOISE[:2, :5].mean(axis=0)
    known = stats.ttest_1samp(means, 0, alternative="greater")
    assert (found.state, found.n, found.unit) == ("supported", 5, "seeds")
    assert found.effect == pytest.approx(means.mean())
    assert (found.p, found.statistic) == pytest.approx((known.pvalue, known.statistic))
    assert "2 of 2 cells gain" in found.note and "these students" in found.note
    assert found.needed_n is None


def test_better_is_paired_over_seeds_and_tasks():
    table = grid(noisy, tasks=("sums", "words"))
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    d = 0.05 + (NOISE[[0, 2], :5] - NOISE[[1, 3], :5]).mean(axis=0)
    assert found.p == pytest.approx(stats.ttest_1samp(d, 0, alternative="greater").pvalue)
    assert found.state == "supported" and "2 cells and tasks in each of 5 seeds" in found.words
    assert outcome(table, "better", a={"method": "gkd"}, b={"method": "kd"}).state == "refuted"
    most = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"}, by=0.2)
    assert most.state == "refuted" and most.effect == found.effect


def test_a_seed_that_failed_somewhere_is_left_out_everywhere():
    table = grid(noisy, tasks=("sums", "words"))
    lost = table["run"].index("s-gkd-3")
    table["status"][lost] = "failed"  # on the first task only
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    d = 0.05 + (NOISE[0] - NOISE[1] + NOISE[2] - NOISE[3])[[0, 1, 2, 4]] / 2
    assert found.effect == pytest.approx(d.mean()) and found.n == 4
    assert "1 without a partner left out" in found.note
    assert "1 of 5 seeds are not in all cells" in found.note


def test_a_cell_whose_seeds_failed_is_left_out_where_seeds_would_not_be_enough():
    table = grid(noisy, tasks=("sums", "words"), seeds=4)
    for place, run in enumerate(table["run"]):
        if run in ("s-gkd-2", "s-gkd-3") and table["task"][place] == "sums":
            table["status"][place] = "failed"
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    d = 0.05 + NOISE[2, :4] - NOISE[3, :4]
    assert found.effect == pytest.approx(d.mean()) and found.n == 4
    assert "1 of 2 cells and tasks lack a seed" in found.note


def test_two_failures_leave_three_seeds_to_decide():
    table = grid(noisy, tasks=("sums", "words"))
    for run, task in (("s-gkd-0", "sums"), ("s-gkd-4", "words")):
        for place in range(len(table["run"])):
            if (table["run"][place], table["task"][place]) == (run, task):
                table["status"][place] = "failed"
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    assert (found.n, found.unit) == (3, "seeds")


def test_one_lucky_cell_does_not_speak_for_all():
    """Seeds agree perfectly about the one student that gains; the students do not."""
    students = tuple("abcdef")

    def score(s: str, m: str, task: str, seed: int) -> float:
        return 0.5 + 0.3 * (s == "a") + 1e-4 * seed

    found = outcome(grid(score, students=students, methods=("kd",)), "improvement")
    assert (found.unit, found.n, found.state) == ("students", 6, "undecided")
    found = outcome(grid(score, students=students[:3]), "improvement")
    assert (found.unit, found.n, found.state) == ("cells", 6, "undecided")
    assert found.needed_n > 6 and "the least sure of 5 seeds, 6 cells" in found.note


def test_where_nothing_repeats_nothing_is_decided():
    found = outcome(grid(noisy, seeds=2), "improvement")
    assert (found.state, found.p, found.effect, found.n) == ("undecided", None, None, 0)
    assert "nothing repeats: 1 students, 2 seeds, 1 tasks; give 3 seeds" in found.note


def test_what_cannot_be_tested_counts_in_the_family():
    claims = [claim("improvement"), claim("improvement", where={"method": "none"})]
    found = hypotheses.test(claims, grid(noisy))
    assert found[0].p_corrected == pytest.approx(2 * found[0].p)
    assert found[0].correction == found[1].correction == "Holm over 2"
    assert found[1].note == "no run has these labels and tasks"
    other = hypotheses.test(claims, grid(noisy), "bh")
    assert other[0].correction == "Benjamini-Hochberg over 2"


def test_order_is_as_sure_as_its_least_sure_neighbours():
    rng = np.random.default_rng(5)
    level = {"a": 0.8, "b": 0.7, "c": 0.697}
    draws = {(m, seed): rng.normal(0, 0.01) for m in level for seed in range(5)}
    table = grid(lambda s, m, t, seed: level[m] + draws[m, seed], methods=tuple(level))
    sides = [{"method": m} for m in "abc"]
    found = outcome(table, "order", best_first=sides)
    links = [outcome(table, "better", a=a, b=b) for a, b in pairwise(sides)]
    assert found.p == pytest.approx(max(2 * min(x.p for x in links), max(x.p for x in links)))
    assert found.effect == pytest.approx(links[1].effect) and found.state == "undecided"
    assert outcome(table, "order", best_first=sides[::-1]).state == "refuted"
    assert outcome(table, "order", best_first=sides[:2]).state == "supported"


def test_non_inferiority_has_a_margin():
    table = grid(noisy, teacher_score=lambda *_: 0.575)
    assert outcome(table, "non_inferior", margin=0.05).state == "supported"
    assert outcome(table, "non_inferior", margin=0.004).state == "undecided"
    assert outcome(table, "non_inferior", to="sft", margin=0.01).state == "supported"
    table["teacher_score"] = [0.9] * len(table["run"])
    assert outcome(table, "non_inferior", margin=0.05).state == "refuted"


def test_no_difference_needs_evidence():
    """That a difference was not found does not say that there is none."""
    sides = {"a": {"method": "kd"}, "b": {"method": "gkd"}}
    table = grid(lambda s, m, t, seed: 0.5 + NOISE[["kd", "gkd"].index(m), seed])
    wide, narrow = (outcome(table, "no_difference", **sides, within=w) for w in (0.1, 0.012))
    assert (wide.state, narrow.state) == ("supported", "undecided")
    d = NOISE[0, :5] - NOISE[1, :5]
    over = stats.ttest_1samp(d, 0.012, alternative="less").pvalue
    under = stats.ttest_1samp(d, -0.012, alternative="greater").pvalue
    assert narrow.p == pytest.approx(max(over, under))
    assert narrow.needed_n > 5
    assert outcome(grid(noisy), "no_difference", **sides, within=0.01).state == "refuted"


def test_methods_differ_says_which():
    found = outcome(grid(noisy), "methods_differ")
    assert found.state == "supported" and found.note.startswith("kd +0.100, gkd +0.040")
    ttest = stats.ttest_1samp(0.05 + NOISE[0, :5] - NOISE[1, :5], 0)
    assert found.p == pytest.approx(ttest.pvalue)


def test_bits_of_text_are_better_the_fewer_they_are():
    table = grid(lambda *which: 2 - noisy(*which))
    table["metric"] = ["bits_per_byte"] * len(table["run"])
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    assert found.state == "supported" and found.effect > 0


def test_bits_and_shares_are_not_averaged():
    table = grid(noisy, tasks=("held-out", "sums"))
    table["metric"] = [
        "bits_per_byte" if task == "held-out" else "accuracy" for task in table["task"]
    ]
    table["improvement"] = [
        9.0 if task == "held-out" else gain
        for task, gain in zip(table["task"], table["improvement"], strict=True)
    ]
    assert outcome(table, "improvement").effect < 0.2


def test_options_of_one_method_are_averaged_and_said():
    table = grid(noisy, temperature=lambda s, m, t, seed: 1.0 if m == "kd" else None)
    table["method.temperature"] = table.pop("temperature")
    kd = [place for place, method in enumerate(table["method"]) if method == "kd"]
    for name, column in table.items():
        column += [2.0 if name == "method.temperature" else column[place] for place in kd]
    found = outcome(table, "better", a={"method": "kd"}, b={"method": "gkd"})
    assert found.state == "supported" and "averaged over method.temperature" in found.note


def test_a_claim_about_size_counts_students():
    sizes = {f"s{k}": 10.0**k for k in range(8)}

    def score(s: str, m: str, task: str, seed: int) -> float:
        wobble = 0.013 * (s in ("s2", "s5"))
        return 0.6 - 0.01 * int(s[1]) + wobble + NOISE[0, seed] / 100

    table = grid(score, students=tuple(sizes), seeds=3, student_parameters=lambda s, *_: sizes[s])
    keys = {"with": "student_parameters", "direction": "negative"}
    found = outcome(table, "correlation", **keys)
    known = stats.spearmanr(range(8), [score(s, "kd", "sums", 0) for s in sizes])
    assert (found.n, found.unit, found.state) == (8, "students", "supported")
    assert found.effect == pytest.approx(known.statistic)
    assert found.p == pytest.approx(known.pvalue / 2)
    other = outcome(table, "correlation", **{**keys, "direction": "positive"})
    assert other.state == "refuted" and other.p == pytest.approx(1 - known.pvalue / 2)
    assert outcome(table, "correlation", **keys, units="cells").n == 16
    few = {name: [v for v, s in zip(c, table["student"], strict=True) if s in ("s0", "s1", "s2")]
           for name, c in table.items()}  # fmt: skip
    assert "3 students are too few" in outcome(few, "correlation", **keys).note


def test_agreement_of_a_runs_own_rows_stands_for_its_tasks():
    methods = tuple("abcdefgh")

    def agreement(s: str, m: str, task: str, seed: int) -> float | None:
        return 0.1 * methods.index(m) if task == "held-out" else None

    table = grid(
        lambda s, m, t, seed: 0.5 + 0.01 * methods.index(m) + NOISE[0, seed] / 100,
        methods=methods,
        tasks=("held-out", "sums"),
        agreement=agreement,
    )
    found = outcome(table, "correlation", **{"with": "agreement"}, task="sums")
    assert (found.n, found.unit, found.state) == (8, "methods", "supported")


def test_a_result_is_json():
    found = outcome(grid(noisy), "improvement").as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found)[:3] == ["claim", "kind", "state"]


def test_the_number_that_decides_has_the_power_that_is_said():
    n = for_shift(0.5, 1.0, 0.025)
    assert n == 34  # one sample, two-sided 5 %, 80 %: as printed in any table
    assert t_power(0.5, 1.0, n, 0.025) >= 0.8 > t_power(0.5, 1.0, n - 1, 0.025)
    assert for_shift(-1.0, 1.0, 0.025) is None and for_shift(1e-9, 1.0, 0.025) is None
    assert for_correlation(0.3, 0.025) == pytest.approx(85, abs=5)
    assert for_correlation(0.0, 0.025) is None
    n = for_equivalence(0.0, 0.5, 1.0, 0.05)
    assert n == pytest.approx(35, abs=2)  # (1.645 + 1.282)^2 / 0.25, and one for t


def test_needed_n_is_enough():
    """With so many seeds, eight in ten studies decide."""
    rng = np.random.default_rng(6)
    small = [0.004, -0.012, 0.016, 0.011, -0.002]
    first = outcome(grid(lambda s, m, t, seed: 0.5 + small[seed], methods=("kd",)), "improvement")
    n = first.needed_n
    assert first.state == "undecided" and 5 < n < 100
    effect, spread = np.mean(small), np.std(small, ddof=1)
    decided = 0
    for _ in range(200):
        draws = rng.normal(0.5 + effect, spread, n)
        again = grid(lambda s, m, t, seed: draws[seed], seeds=n, methods=("kd",))  # noqa: B023
        decided += outcome(again, "improvement").state == "supported"
    assert decided / 200 == pytest.approx(0.8, abs=0.1)


# --- What may be counted in a correlation ---------------------------------------------------------

RNG = np.random.default_rng(3)


def without(table, **labels):
    """A table without the rows of these labels: they failed."""
    kept = [
        place
        for place in range(len(table["run"]))
        if any(table[name][place] != label for name, label in labels.items())
    ]
    return {name: [column[place] for place in kept] for name, column in table.items()}


def crossed(*, students=3, methods=3, seeds=5, **more):
    """Gains that nothing but chance explains, of students, methods and teachers."""
    draws = RNG.normal(0, 0.02, (students, methods, seeds))
    names = [f"m{k}" for k in range(methods)]
    return grid(
        lambda s, m, _, seed: 0.55 + draws[int(s), names.index(m), seed],
        students=[str(k) for k in range(students)],
        methods=names,
        seeds=seeds,
        **more,
    )


def test_a_failed_run_does_not_make_cells_of_students():
    """The mean of what is left is another number, and would tell the cell from its student's others."""
    of_seed = RNG.normal(0, 1, (5, 5))
    table = crossed(students=5, sft_noise=lambda s, m, t, seed: of_seed[int(s), seed])
    table["before_score"] = table.pop("sft_noise")
    whole = outcome(table, "correlation", of="improvement", **{"with": "before_score"})
    assert (whole.n, whole.unit) == (5, "students")
    lacking = outcome(
        without(table, student="0", method="m0", seed=4),
        "correlation",
        of="improvement",
        **{"with": "before_score"},
    )
    assert (lacking.n, lacking.unit) == (5, "students")


def test_what_one_axis_tells_is_counted_by_that_axis():
    """Four sizes of the data, and five methods at each: four numbers, not twenty."""
    table = crossed(students=4, methods=5)
    table["data.rows"] = [100.0 * (1 + int(s)) for s in table.pop("student")]
    found = outcome(table, "correlation", of="improvement", **{"with": "data.rows"})
    assert (found.n, found.unit) == (4, "values of data.rows")


def test_an_axis_of_several_keys_is_counted_as_one():
    table = crossed(students=5, methods=4)
    table["pair"] = table.pop("student")
    table["student_parameters"] = [1e6 * (1 + int(pair)) for pair in table["pair"]]
    found = outcome(table, "correlation", **{"with": "student_parameters"})
    assert (found.n, found.unit) == (5, "values of pair")


def test_one_cell_a_student_is_enough():
    table = grid(
        lambda s, m, _, seed: 0.9 - 0.05 * int(s) + 0.001 * seed,
        students=[str(k) for k in range(8)],
        methods=("kd",),
        student_parameters=lambda s, *_: float(s),
    )
    found = outcome(table, "correlation", direction="negative", **{"with": "student_parameters"})
    assert (found.n, found.unit, found.state, found.effect) == (8, "students", "supported", -1.0)


def test_what_a_bad_teacher_lowers_goes_together_for_no_other_reason():
    """One teacher with low gains and low fidelity: without it nothing is related."""
    low = {"good": 0.0, "bad": -0.3}
    rng = np.random.default_rng(5)
    supported = 0
    for _ in range(40):
        draws = rng.normal(0, 0.02, (2, 2, 3, 3, 3))  # column, teacher, student, method, seed
        rows = [
            {
                "run": f"{t}{s}{m}{seed}", "seed": seed, "task": "sums", "student": s, "teacher": t,
                "method": m, "metric": "accuracy", "status": "done",
                "improvement": low[t] + draws[0, list(low).index(t), s, m, seed],
                "fidelity_top1": 0.8 + low[t] + draws[1, list(low).index(t), s, m, seed],
            }
            for t in low for s in range(3) for m in range(3) for seed in range(3)
        ]  # fmt: skip
        table = {name: [row[name] for row in rows] for name in rows[0]}
        found = outcome(table, "correlation", direction="positive", **{"with": "fidelity_top1"})
        assert found.test.endswith("within students and teachers")
        supported += found.state == "supported"
    assert supported <= 4  # of forty at 2.5 %, but for bad luck of one in a thousand


# --- Leads that grow --------------------------------------------------------------------------------


def test_an_interaction_is_a_difference_of_leads():
    lead = {"large": 0.08, "small": 0.02}
    shake = np.random.default_rng(1).normal(0, 0.004, (2, 2, 6))
    table = grid(
        lambda s, m, _, seed: (
            0.5 + lead[s] * (m == "kd") + shake[int(s == "large"), int(m == "kd"), seed]
        ),
        students=("large", "small"),
        seeds=6,
    )
    keys = {"a": {"method": "kd"}, "b": {"method": "gkd"}}
    places = {"more_in": {"student": "large"}, "less_in": {"student": "small"}}
    found = outcome(table, "interaction", **keys, **places)
    by_hand = (shake[1, 1] - shake[1, 0]) - (shake[0, 1] - shake[0, 0]) + 0.06
    assert found.state == "supported" and found.n == 6
    assert found.effect == pytest.approx(by_hand.mean())
    assert found.p == pytest.approx(stats.ttest_1samp(by_hand, 0, alternative="greater").pvalue)
    other = {"more_in": places["less_in"], "less_in": places["more_in"]}
    assert outcome(table, "interaction", **keys, **other).state == "refuted"


def test_a_true_order_of_small_steps_is_seldom_refuted():
    """The least favourable of four neighbours is often below 0; that alone refutes nothing."""
    rng, refuted = np.random.default_rng(2), 0
    names = [f"m{k}" for k in range(5)]
    for _ in range(100):
        draws = rng.normal(0, 0.02, (5, 5))
        table = grid(
            lambda s, m, _, seed, draws=draws: (
                0.5 - 0.0001 * names.index(m) + draws[names.index(m), seed]
            ),
            methods=names,
        )
        found = outcome(table, "order", best_first=[{"method": name} for name in names])
        refuted += found.state == "refuted"
    assert refuted <= 8  # 2.5 % of a hundred, but for bad luck of one in a thousand
