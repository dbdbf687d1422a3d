"""Steps of two solutions beside one another, by hand and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.analysis import Steps, equation_jaccard, operator_similarity, step_ratio

SOLUTIONS = st.builds(
    Steps,
    st.lists(st.sampled_from("abcdef"), unique=True, max_size=6).map(tuple),
    st.lists(st.sampled_from("+-*/"), max_size=8).map(tuple),
)


def steps(equations, operators=""):
    return Steps(tuple(equations), tuple(operators))


def test_by_hand():
    assert equation_jaccard(steps("abc"), steps("bcd")) == 2 / 4
    assert equation_jaccard(steps(""), steps("")) == 0
    assert operator_similarity(steps("", "+-*"), steps("", "+*")) == 1 - 1 / 3
    assert operator_similarity(steps("", "++"), steps("", "--")) == 0
    assert step_ratio(steps("abcd"), steps("ab")) == 2
    with pytest.raises(ValueError, match="no steps"):
        step_ratio(steps("a"), steps(""))


@given(SOLUTIONS, SOLUTIONS)
def test_symmetric_bounded_and_one_for_the_same(a, b):
    for likeness in (equation_jaccard, operator_similarity):
        assert 0 <= likeness(a, b) <= 1 and likeness(a, b) == likeness(b, a)
    assert operator_similarity(a, a) == 1
    assert equation_jaccard(a, a) == (1 if a.equations else 0)


@given(SOLUTIONS, SOLUTIONS, SOLUTIONS)
def test_both_distances_obey_the_triangle(a, b, c):
    def apart(x, y):
        longest = max(len(x.operators), len(y.operators))
        return (1 - operator_similarity(x, y)) * longest

    assert apart(a, c) <= apart(a, b) + apart(b, c) + 1e-9
