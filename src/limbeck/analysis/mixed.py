"""A linear model with a random intercept: several numbers of one item, or one document, go together.

    value = fixed effects + intercept of its group + residual

The likelihood (REML) is maximised over one number, the intercept's share of the variance; all else
has a closed form in sums over groups. So thousands of groups cost milliseconds, and a variance at 0
is an ordinary end of the search.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from .alignment import cluster_codes
from .arrays import floats, same_length
from .estimate import Effect

INTERCEPT = "(intercept)"
_NO_SHARE = 1e-8  # of the variance: as little as the search can tell from none


@dataclass(frozen=True)
class MixedModel:
    """A fitted model with a random intercept.

    Attributes:
        effects: Fixed effects by name, in units of the value per unit of the column.
        between: Variance of the groups' intercepts.
        within: Variance of the residuals.
        n: Values.
        groups: Groups.
    """

    effects: dict[str, Effect]
    between: float
    within: float
    n: int
    groups: int

    @property
    def intraclass(self) -> float:
        """Correlation of two values of one group: between / (between + within)."""
        return self.between / (self.between + self.within)


def mixed_model(
    values: ArrayLike, fixed: Mapping[str, ArrayLike], groups: Sequence[Hashable]
) -> MixedModel:
    """Fixed effects of some columns on a value, with a random intercept per group.

    Tests are Wald's with Student's t. A column that varies within groups has as many degrees of
    freedom as values less groups less such columns; one that is constant in each group has as many
    as groups less such columns (with the intercept).

    Args:
        values: One number per row, ``[n]``: for instance an item's score under one model.
        fixed: Columns by name, each ``[n]``; categories as 0 and 1. An intercept is added.
        groups: The item, document or student of each row.

    Raises:
        ValueError: An array is empty or not finite, lengths differ, columns depend on one another,
            there are too few rows or groups, or no scatter is left within the groups.
    """
    y = floats(values, "values")
    columns = {name: floats(column, name) for name, column in fixed.items()}
    same_length(values=y, **columns)
    codes = cluster_codes(groups, y.size)
    x = np.column_stack([np.ones(y.size), *columns.values()])
    names = [INTERCEPT, *columns]
    _check(x, names)
    sizes = np.bincount(codes)
    freedom = _freedom(x, codes, sizes, names)
    # Centred, so that squares of a large common level do not drown the scatter in rounding.
    level = float(y.mean())
    centred = y - level
    sums = np.stack([_sums(codes, column) for column in x.T], axis=1)
    data = _Sums(
        x.T @ x,
        x.T @ centred,
        float(centred @ centred),
        sums,
        _sums(codes, centred),
        sizes,
        y.size,
    )
    _check_scatter(x, y, codes, sizes)

    share = optimize.minimize_scalar(
        data.deviance, bounds=(0.0, 1 - 1e-9), method="bounded", options={"xatol": 1e-10}
    ).x
    # The search stays inside its bounds: at the lower one it stops short of 0.
    none = share < _NO_SHARE or data.deviance(0.0) <= data.deviance(share)
    share = 0.0 if none else float(share)
    beta, within, design = data.solve(share)
    beta[0] += level
    inverse = np.linalg.inv(design)
    note = "groups do not differ beyond noise: the intercept's variance is 0"
    effects = {}
    for i, name in enumerate(names):
        error = float(np.sqrt(within * inverse[i, i]))
        half, t = stats.t.ppf(0.975, freedom[i]) * error, float(beta[i] / error)
        effects[name] = Effect(
            beta[i],
            beta[i] - half,
            beta[i] + half,
            2 * stats.t.sf(abs(t), freedom[i]),
            y.size,
            "mixed model, random intercept",
            statistic=t,
            df=str(freedom[i]),
            note=None if share else note,
        )
    return MixedModel(effects, within * share / (1 - share), within, y.size, sizes.size)


@dataclass(frozen=True)
class _Sums:
    """Everything that the likelihood needs of the data."""

    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: float
    group_x: NDArray[np.float64]
    group_y: NDArray[np.float64]
    sizes: NDArray[np.intp]
    n: int

    def solve(self, share: float) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Effects, residual variance and ``X' V^-1 X`` of the weighted least squares."""
        ratio = share / (1 - share)
        weight = ratio / (1 + ratio * self.sizes)  # V^-1 = I - weight * 11' in each group
        design = self.xx - (self.group_x * weight[:, None]).T @ self.group_x
        target = self.xy - self.group_x.T @ (weight * self.group_y)
        beta = np.asarray(np.linalg.solve(design, target), np.float64)
        rest = self.yy - weight @ self.group_y**2 - target @ beta
        return beta, float(rest) / (self.n - len(beta)), design

    def deviance(self, share: float) -> float:
        """-2 log REML, up to a constant, at the intercept's share of the variance."""
        beta, within, design = self.solve(share)
        ratio = share / (1 - share)
        return float(
            (self.n - len(beta)) * np.log(max(within, 1e-300))
            + np.log1p(ratio * self.sizes).sum()
            + np.linalg.slogdet(design)[1]
        )


def _check(x: NDArray[np.float64], names: list[str]) -> None:
    if np.linalg.matrix_rank(x / np.abs(x).max(axis=0).clip(1e-300)) < len(names):
        raise ValueError(f"the columns {', '.join(names)} depend on one another")


def _freedom(
    x: NDArray[np.float64], codes: NDArray[np.intp], sizes: NDArray[np.intp], names: list[str]
) -> list[int]:
    """Degrees of freedom of each column, by the level at which it varies."""
    inner = _deviations(x, codes, sizes)
    varies = (np.abs(inner) > 1e-12 * np.abs(x).max(axis=0).clip(1e-300)).any(axis=0)
    within = x.shape[0] - sizes.size - int(varies.sum())
    between = sizes.size - int((~varies).sum())
    found = [within if inside else between for inside in varies]
    for name, count in zip(names, found, strict=True):
        if count < 1 or within < 1:
            raise ValueError(
                f"too little data for {name}: {x.shape[0]} values in {sizes.size} groups"
            )
    return found


def _check_scatter(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    codes: NDArray[np.intp],
    sizes: NDArray[np.intp],
) -> None:
    inner_x, inner_y = _deviations(x, codes, sizes), _deviations(y[:, None], codes, sizes)[:, 0]
    left = inner_y - inner_x @ np.linalg.lstsq(inner_x, inner_y, rcond=1e-12)[0]
    if np.abs(left).max() <= 1e-10 * max(1e-300, np.abs(y).max()):
        raise ValueError("no scatter is left within the groups: there is nothing to test against")


def _deviations(
    x: NDArray[np.float64], codes: NDArray[np.intp], sizes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Columns less their groups' means."""
    means = np.stack([_sums(codes, column) for column in x.T], axis=1) / sizes[:, None]
    return x - means[codes]


def _sums(codes: NDArray[np.intp], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of a column over each group."""
    return np.bincount(codes, column).astype(np.float64, copy=False)
