"""Studies whose truth is known: the page of hypotheses has to find it."""

import math
from collections import Counter

import numpy as np
import pytest

from limbeck.studies import hypotheses
from limbeck.studies.hypotheses import (
    Better,
    Correlation,
    Improvement,
    MethodsDiffer,
    NoDifference,
    NonInferior,
    Order,
)
from limbeck.studies.hypotheses.power import t_power

from .simulated import STUDENTS, TASKS, TEACHERS, Truth, study

STUDIES = 200
KD, GKD, BEST = ({"method": name} for name in ("kd", "gkd", "best"))
TRUTH = Truth({"kd": 0.04, "gkd": 0.04, "best": 0.08, "bad": -0.04})
CLAIMS = [  # a null may be undecided or refuted, not supported
    (Improvement(claim="kd improves", where=KD), {"supported"}),
    (Improvement(claim="three improve", where={"method": ["kd", "gkd", "best"]}), {"supported"}),
    (Improvement(claim="bad improves", where={"method": "bad"}), {"refuted"}),
    (Better(claim="best > kd", a=BEST, b=KD), {"supported"}),
    (Better(claim="kd > best", a=KD, b=BEST), {"refuted"}),
    (Better(claim="gkd > kd", a=GKD, b=KD), {"undecided", "refuted"}),
    (MethodsDiffer(claim="methods differ"), {"supported"}),
    (MethodsDiffer(claim="kd, gkd differ", among=["kd", "gkd"]), {"undecided"}),
    (Order(claim="best > kd > bad", best_first=[BEST, KD, {"method": "bad"}]), {"supported"}),
    (NonInferior(claim="as good as the teacher", margin=0.03), {"supported"}),
    (NoDifference(claim="gkd = kd", a=GKD, b=KD, within=0.03), {"supported"}),
]


def deviation(truth: Truth, students: int) -> float:
    """Of a seed's mean improvement over all cells of one method."""
    cells = students * len(TEACHERS)
    runs = truth.run**2 / cells + truth.task**2 / (cells * len(TASKS))
    baselines = truth.baseline**2 / students * (1 + 1 / len(TASKS))
    return math.sqrt(runs + baselines)


def test_the_page_is_right_about_planted_effects_and_nulls():
    """A reader acts on these states; at a power of 99 % they may be wrong once in twenty studies."""
    claims = [claim for claim, _ in CLAIMS]
    least = t_power(0.04, deviation(TRUTH, len(STUDENTS)), 5, 0.05 / len(claims))
    assert least > 0.99  # of "kd improves", the smallest effect over the largest noise
    rng, wrong = np.random.default_rng(7), Counter()
    for _ in range(STUDIES):
        found = hypotheses.test(claims, study(TRUTH, rng))
        bad = [r.claim for (_, right), r in zip(CLAIMS, found, strict=True) if r.state not in right]
        wrong.update(bad)
        wrong["page"] += bool(bad)
    assert wrong["page"] <= 0.05 * STUDIES, wrong


@pytest.mark.parametrize("gain", [0.012, 0.016])
def test_an_effect_is_found_as_often_as_the_power_says(gain: float):
    """`needed_n` plans studies by this power."""
    truth, rng, two = Truth({"kd": gain}), np.random.default_rng(8), {"small": 1e6, "large": 4e6}
    claim = [Improvement(claim="kd improves")]
    power = t_power(gain, deviation(truth, 2), 5, 0.025)
    found = [hypotheses.test(claim, study(truth, rng, two))[0] for _ in range(STUDIES)]
    share = np.mean([one.state == "supported" for one in found])
    assert abs(share - power) < 3 * math.sqrt(power * (1 - power) / STUDIES)
    inside = np.mean([one.low <= gain <= one.high for one in found])
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / STUDIES) <= inside


@pytest.mark.parametrize(
    ("shape", "unit"),
    [
        ({"seeds": 5}, "seeds cells"),
        ({"students": {f"s{k}": 1e6 * k for k in range(1, 9)}, "seeds": 2}, "students"),
        ({"tasks": tuple(f"t{k}" for k in range(10)), "seeds": 2}, "tasks"),
    ],
)
def test_nothing_is_found_where_nothing_is(shape: dict, unit: str):
    """Baselines that several cells share make one lucky draw look like many."""
    luck = {"run": 0.0, "baseline": 0.02} if unit != "tasks" else {"run": 0.0, "baseline": 0.0}
    truth, rng = Truth({"kd": 0.0, "gkd": 0.0}, spread=0.0, **luck), np.random.default_rng(9)
    honest, naive = Improvement(claim="honest"), Improvement(claim="naive", units="cells")
    found = [
        [hypotheses.test([claim], table)[0] for claim in (honest, naive)]
        for table in (study(truth, rng, **shape) for _ in range(STUDIES))
    ]
    assert {one.unit for one, _ in found} == set(unit.split())
    supported = np.mean([[one.state == "supported" for one in pair] for pair in found], axis=0)
    assert supported[0] <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / STUDIES)
    if unit != "tasks":
        assert supported[1] > 0.08  # what counting cells would do


def test_correlations_are_found_within_students_and_not_between_them():
    """Students that agree much and gain much are no evidence that agreement brings gains."""
    rng, found = np.random.default_rng(10), {"related": [], "unrelated": []}
    claim = Correlation(claim="agreement", with_="agreement", direction="positive")
    whole = Correlation(claim="all", with_="agreement", direction="positive", units="cells")
    naive = []
    for _ in range(100):
        for name, share in (("related", 1.0), ("unrelated", 0.0)):
            truth = Truth({"a": 0.0, "b": 0.0, "c": 0.0}, spread=0.03, agreement=share)
            table = study(truth, rng)
            own = dict(zip(STUDENTS, (0.0, 0.1, 0.2), strict=True))  # larger ones agree more
            lift = dict(zip(STUDENTS, (0.0, 0.03, 0.06), strict=True))  # and gain more
            for column, add in (("agreement", own), ("improvement", lift)):
                pairs = zip(table[column], table["student"], strict=True)
                table[column] = [value + add[student] for value, student in pairs]
            found[name].append(hypotheses.test([claim], table)[0])
            naive.append(hypotheses.test([whole], table)[0].state == "supported")
    assert {(one.unit, one.n) for one in found["related"]} == {("cells", 18)}
    assert np.mean([one.state == "supported" for one in found["related"]]) > 0.95
    assert np.mean([one.state == "supported" for one in found["unrelated"]]) <= 0.08
    assert np.mean(naive) > 0.5


def test_what_some_cells_do_is_not_taken_for_what_methods_do():
    """A pair of models that happens to suit one method does so with every seed."""
    truth = Truth({"kd": 0.0, "gkd": 0.0}, run=0.002, task=0.002, agreement=1.0)
    rng = np.random.default_rng(11)
    claims = [Better(claim="gkd > kd", a=GKD, b=KD), MethodsDiffer(claim="methods differ")]
    found = [hypotheses.test(claims, study(truth, rng)) for _ in range(STUDIES)]
    supported = np.mean([any(one.state == "supported" for one in page) for page in found])
    assert supported <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    better = [page[0] for page in found]
    assert {one.unit for one in better} == {"cells"} and {one.n for one in better} == {6}
