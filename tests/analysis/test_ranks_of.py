"""Average ranks against a published hand example, SciPy, and cases that can be counted out."""

import math

import numpy as np
import pytest
from scipy import stats

from limbeck.analysis.ranks_of import average_ranks, critical_difference

# Areas under the curve of four decision trees on 14 data sets: Demšar 2006, table 6. It prints
# 0.975 twice in the 13th, and ranks the third tree before the fourth there.
TREES = {
    "C4.5": "763 599 954 628 882 936 661 583 775 1000 940 619 972 957",
    "C4.5+m": "768 591 971 661 888 931 668 583 838 1000 962 666 981 978",
    "C4.5+cf": "771 590 968 654 886 916 609 563 866 1000 965 614 975.1 946",
    "C4.5+m+cf": "798 569 967 657 898 931 685 625 875 1000 962 669 975 970",
}
AREAS = {name: [float(x) / 1000 for x in row.split()] for name, row in TREES.items()}


def test_the_published_example():
    """Ranks, Friedman's statistic and Nemenyi's difference as the paper prints them."""
    found = average_ranks(AREAS)
    ranks = dict(zip(found.names, found.ranks, strict=True))
    expected = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert ranks == pytest.approx(expected, abs=5e-4)
    assert found.names == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    plain = 12 * 14 / (4 * 5) * (sum(r * r for r in found.ranks) - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=0.01)  # the paper leaves ties uncorrected
    assert found.statistic > plain  # ties shrink the variance that is divided by
    assert found.critical_difference == pytest.approx(1.25, abs=0.01)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.01)


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_the_published_quantiles(methods: int, q: float):
    got = critical_difference(methods, 6) / math.sqrt(methods * (methods + 1) / 36)
    assert got == pytest.approx(q, abs=2e-3)


def test_friedman_and_the_pairs_are_scipys():
    rng = np.random.default_rng(0)
    scores = {
        name: rng.normal(shift, 1, 20) for name, shift in zip("abc", (0, 0.4, 1.5), strict=True)
    }
    found = average_ranks(scores)
    assert (found.statistic, found.p) == pytest.approx(
        tuple(stats.friedmanchisquare(*scores.values()))
    )
    for pair in found.pairs:
        assert pair.p == pytest.approx(
            stats.wilcoxon(scores[pair.better], scores[pair.worse]).pvalue
        )
    ordered = sorted(found.pairs, key=lambda pair: pair.p)
    assert ordered[0].p_corrected == pytest.approx(3 * ordered[0].p)
    assert found.names[0] == "c"


def test_groups_are_the_largest_runs_that_do_not_differ():
    blocks = np.arange(30) / 100
    scores = {
        "best": blocks + 0.50,
        "good": blocks + 0.40,
        "also good": blocks + 0.40,
        "bad": blocks,
    }
    found = average_ranks(scores)
    assert found.groups == (("good", "also good"),)
    assert found.ranks == (1.0, 2.5, 2.5, 4.0)
    assert [pair.differs for pair in found.pairs] == [True, True, True, False, True, True]


def test_runs_may_overlap():
    """b is between a and c, which differ: two bars, and none over all three."""
    steps = np.linspace(0.01, 0.02, 24)
    swing = np.where(np.arange(24) % 2, 1.0, -1.0) * np.linspace(0.02, 0.03, 24)
    found = average_ranks({"a": 2 * steps, "b": steps + swing, "c": np.zeros(24)})
    assert {(p.better, p.worse) for p in found.pairs if p.differs} == {("a", "c")}
    assert found.groups == (("a", "b"), ("b", "c"))


def test_low_is_better_where_it_is():
    scores = {"slow": [3.0, 4.0, 5.0], "quick": [1.0, 2.0, 3.0]}
    assert average_ranks(scores).names == ("slow", "quick")
    assert average_ranks(scores, higher_is_better=False).names == ("quick", "slow")


def test_two_methods_have_their_pair_alone():
    found = average_ranks({"a": [1.0, 2.0, 3.0], "b": [0.5, 1.0, 1.5]})
    assert found.statistic is None and found.p == found.pairs[0].p == 0.25
    assert not found.decisive  # three blocks can give no p below 1/4
    assert found.groups == (("a", "b"),)


def test_methods_that_never_differ_are_one_group():
    found = average_ranks({name: [0.1, 0.2, 0.3] for name in "abc"})
    assert (found.statistic, found.p) == (0.0, 1.0)
    assert found.groups == (("a", "b", "c"),) and found.ranks == (2.0, 2.0, 2.0)


def test_the_smallest_p_is_counted_over_the_pairs():
    found = average_ranks(
        {name: np.arange(6.0) + shift for name, shift in zip("abc", range(3), strict=True)}
    )
    assert found.smallest_p == pytest.approx(3 * 2 / 2**6)
    assert min(pair.p_corrected for pair in found.pairs) >= found.smallest_p - 1e-12


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ({"a": [1.0, 2.0]}, "two methods"),
        ({"a": [1.0], "b": [2.0]}, "two blocks"),
        ({"a": [1.0, 2.0], "b": [2.0]}, "same items"),
        ({"a": [1.0, math.nan], "b": [2.0, 1.0]}, "scores of 'a' holds nan"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores: dict, why: str):
    with pytest.raises(ValueError, match=why):
        average_ranks(scores)
