"""The random intercept against statsmodels, and against closed forms of balanced designs."""

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from limbeck.analysis import anova, mixed_model
from limbeck.analysis.mixed import INTERCEPT


@pytest.mark.parametrize("level", [0.0, 1000.0])
@pytest.mark.parametrize("spread", [0.7, 3.0])
def test_estimates_are_those_of_statsmodels(spread: float, level: float):
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), rng.integers(1, 7, size=40))
    size, method = rng.normal(size=40)[groups], rng.integers(2, size=groups.size)
    y = level + spread * rng.normal(size=40)[groups] + size - 0.5 * method
    y += rng.normal(size=groups.size)
    design = np.column_stack([np.ones(groups.size), size, method])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = MixedLM(y, design, groups).fit(reml=True)
    found = mixed_model(y, {"size": size, "method": method}, groups.tolist())
    effects = found.effects.values()
    assert [one.effect for one in effects] == pytest.approx(expected.fe_params, rel=1e-3, abs=1e-3)
    variance = found.within * np.eye(y.size)
    variance += found.between * (groups[:, None] == groups)
    # statsmodels' standard errors come from the joint Hessian; least squares has these.
    squares = np.linalg.inv(design.T @ np.linalg.solve(variance, design))
    errors = [one.effect / one.statistic for one in effects]
    assert errors == pytest.approx(np.sqrt(np.diag(squares)), rel=1e-6)
    assert found.within == pytest.approx(expected.scale, rel=1e-3)
    assert found.between == pytest.approx(expected.cov_re[0, 0], rel=2e-3)
    assert found.intraclass == pytest.approx(found.between / (found.between + found.within))
    assert (found.n, found.groups, list(found.effects)) == (
        y.size,
        40,
        [INTERCEPT, "size", "method"],
    )


def test_two_models_on_the_same_items_are_the_paired_t_test():
    rng = np.random.default_rng(2)
    item = rng.normal(size=60)
    a, b = item + 0.4 * rng.normal(size=60), item + 0.2 + 0.4 * rng.normal(size=60)
    found = mixed_model(np.r_[a, b], {"b": np.repeat([0, 1], 60)}, [*range(60)] * 2).effects["b"]
    expected = stats.ttest_rel(b, a)
    ends = expected.confidence_interval()
    assert (found.statistic, found.p) == pytest.approx(
        (expected.statistic, expected.pvalue), rel=1e-5
    )
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-5)
    assert found.df == "59"


def test_a_column_of_the_groups_is_tested_on_the_groups():
    """Six students measured on fifty items each are six students, not three hundred."""
    rng = np.random.default_rng(3)
    student = np.repeat(np.arange(6), 50)
    large = (student >= 3).astype(float)
    y = rng.normal(size=6)[student] + large + rng.normal(size=300)
    found = mixed_model(y, {"large": large}, student.tolist()).effects["large"]
    means = y.reshape(6, 50).mean(axis=1)
    expected = stats.ttest_ind(means[3:], means[:3])
    assert found.df == "4"
    assert (found.statistic, found.p) == pytest.approx(
        (expected.statistic, expected.pvalue), rel=1e-4
    )
    assert anova({"small": y[:150], "large": y[150:]}).p < 0.01 * found.p


def test_groups_that_do_not_differ_leave_least_squares():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=40)
    y, x = np.r_[noise, -noise], np.r_[rng.normal(size=40), np.zeros(40)]  # groups sum to 0
    found = mixed_model(y, {"x": x}, [*range(40)] * 2)
    assert found.between == found.intraclass == 0
    line = stats.linregress(x, y)
    assert found.effects["x"].effect == pytest.approx(line.slope)
    assert found.effects["x"].statistic == pytest.approx(line.slope / line.stderr)
    assert "do not differ" in found.effects["x"].note


ONES = np.ones(4)


@pytest.mark.parametrize(
    ("values", "fixed", "groups", "named"),
    [
        ([1.0], {}, ["a"], "too little data for .intercept.: 1 values in 1 groups"),
        ([1.0, 2.0, 3.0], {}, ["a", "a", "a"], "too little data"),
        ([1.0, 2.0], {}, ["a", "b"], "too little data"),
        (ONES, {"b": [0, 0, 1, 1]}, [0, 1, 0, 1], "no scatter is left"),
        ([0, 1, 0, 1], {"b": [0, 0, 1, 1]}, [0, 1, 0, 1], "no scatter is left"),
        (ONES, {"b": [1, 1, 1, 1]}, [0, 1, 0, 1], "intercept., b depend on one another"),
        ([1, 2, 3, np.nan], {}, [0, 0, 1, 1], "values holds nan at item 3"),
        (ONES, {"size": [1, 2, np.inf, 4]}, [0, 0, 1, 1], "size holds inf at item 2"),
        (ONES, {"size": [1, 2]}, [0, 0, 1, 1], "values has 4, size has 2"),
        (ONES, {}, [0, 0, 1], "has 3 for 4 items"),
        (ONES, {}, [0, 0, None, 1], "None at item 2"),
    ],
)
def test_bad_input_is_named(values, fixed, groups, named: str):
    with pytest.raises(ValueError, match=named):
        mixed_model(values, fixed, groups)


def test_an_intercept_without_variance_is_told():
    """Rounding left 1e-10 of the variance where the column has a large level; nothing was said."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), rng.integers(2, 6, 3))
    column = rng.normal(size=groups.size) * 1e3 + 2e5
    noise = rng.normal(size=3)[groups] * np.sqrt(0.5) + rng.normal(size=groups.size) * np.sqrt(0.5)
    found = mixed_model(noise + 1e-3 * (column - 2e5), {"column": column}, groups.tolist())
    assert found.between == 0
    assert "variance is 0" in (found.effects["column"].note or "")
