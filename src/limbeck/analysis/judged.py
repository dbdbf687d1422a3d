"""What a judge made of two models' outputs, each pair shown to it in both orders.

Of each item there are two scores of model a, 1 where the judge prefers a, 1/2 where it calls a tie,
0 where it prefers b: one with a shown first, one with a shown second. Their mean is the item's
preference, so a judge that only ever likes the first place says 1/2 of every item.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import floats, outcomes, same_length
from .clustered import clustered_mean
from .estimate import Estimate
from .labels import kappa
from .statistics import proportion

LENGTH_TOLERANCE = 0.1
"""Lengths that differ by at most this share of the longer one count as matched."""


@dataclass(frozen=True)
class Judged:
    """Model a against model b, as one judge sees them.

    ``wins + losses + ties + contradictions == n``.

    Attributes:
        n: Items.
        wins: Items whose preference is above 1/2.
        losses: Items whose preference is below 1/2.
        ties: Items that both orders call a tie.
        contradictions: Items of which one order prefers a, and the other b.
        win_rate: Mean preference for a.
        tie_rate: ties / n.
        inconsistency_rate: contradictions over the items that were shown; None where none was.
        position_bias: P(the first one wins) - 1/2, a tie being half a win, over the items that were
            shown: 1/2 always takes the first, -1/2 the second. None where none was.
        length_difference: Mean of the characters of a less those of b.
        token_difference: The same in tokens; None where nobody counted them.
        length_matched: Win rate over the items of about the same length; None where there are none.
        longer_preferred: Mean preference for the longer output, over the items whose lengths are
            not the same; None where there are none. Beside a win rate of longer outputs, it tells
            a judge that likes length.
    """

    n: int
    wins: int
    losses: int
    ties: int
    contradictions: int
    win_rate: Estimate
    tie_rate: Estimate
    inconsistency_rate: Estimate | None
    position_bias: Estimate | None
    length_difference: Estimate
    token_difference: Estimate | None
    length_matched: Estimate | None
    longer_preferred: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them, without those that are not defined."""
        return _as_dict(self)


@dataclass(frozen=True)
class JudgeAgreement:
    """Two judges on the same items: which of two models is better, or neither.

    Attributes:
        n: Items.
        same: Share of items on which they say the same.
        kappa: The same beyond chance; None where it is not defined.
    """

    n: int
    same: Estimate
    kappa: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them, without those that are not defined."""
        return _as_dict(self)


def preferences(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Each item's preference for a, 0 to 1: the mean of its score in both orders.

    Args:
        first: Score of a with a shown first, ``[n]``: 1, 1/2 or 0.
        second: Score of a with a shown second.

    Raises:
        ValueError: An array is empty or holds another number, or lengths differ.
    """
    return (_scores(first, "first") + _paired(first, second)) / 2


def judged(
    first: ArrayLike,
    second: ArrayLike,
    lengths_a: ArrayLike,
    lengths_b: ArrayLike,
    *,
    tokens_a: ArrayLike | None = None,
    tokens_b: ArrayLike | None = None,
    shown: ArrayLike | None = None,
    seed: int = 0,
) -> Judged:
    """Figures of a comparison. Intervals of means resample items: each is one prompt.

    Args:
        first: Score of a with a shown first, ``[n]``: 1, 1/2 or 0.
        second: Score of a with a shown second.
        lengths_a: Characters of a's outputs.
        lengths_b: Characters of b's outputs.
        tokens_a: Tokens of a's outputs, where they are known.
        tokens_b: Tokens of b's outputs, likewise.
        shown: Whether the judge was shown the item; by default all. Two outputs that are the same
            text are a tie, and nothing is learned of the judge from them.
        seed: Seed of the resampling.

    Raises:
        ValueError: An array is empty, has other numbers than it may have, or lengths differ; only
            one side has tokens.
    """
    one, other = _scores(first, "first"), _paired(first, second)
    long_a, long_b = _lengths(lengths_a, "lengths_a"), _lengths(lengths_b, "lengths_b")
    seen = np.ones(one.size, np.bool_) if shown is None else outcomes(shown, "shown")
    same_length(first=one, lengths_a=long_a, lengths_b=long_b, shown=seen)
    preferred = (one + other) / 2
    tied, contradicted = (one == 0.5) & (other == 0.5), np.abs(one - other) == 1
    longer = np.where(long_a > long_b, preferred, 1 - preferred)[long_a != long_b]
    near = np.abs(long_a - long_b) <= LENGTH_TOLERANCE * np.maximum(long_a, long_b)
    return Judged(
        n=one.size,
        wins=int((preferred > 0.5).sum()),
        losses=int((preferred < 0.5).sum()),
        ties=int(tied.sum()),
        contradictions=int(contradicted.sum()),
        win_rate=clustered_mean(preferred, None, seed),
        tie_rate=proportion(tied),
        inconsistency_rate=proportion(contradicted[seen]) if seen.any() else None,
        # The first one's score is that of a in one order, and of b in the other.
        position_bias=_mean(((one - other) / 2)[seen], seed),
        length_difference=clustered_mean(long_a - long_b, None, seed),
        token_difference=_tokens(tokens_a, tokens_b, one, seed),
        length_matched=_mean(preferred[near], seed),
        longer_preferred=_mean(longer, seed),
    )


def judge_agreement(a: ArrayLike, b: ArrayLike) -> JudgeAgreement:
    """Do two judges come to the same result?

    Args:
        a: Preferences of one judge, ``[n]``, 0 to 1; what counts is whether each is above, at or
            below 1/2.
        b: Preferences of the other judge on the same items.

    Raises:
        ValueError: A side is empty or not finite, or lengths differ.
    """
    one, other = np.sign(floats(a, "a") - 0.5), np.sign(floats(b, "b") - 0.5)
    same_length(a=one, b=other)
    labels: tuple[Sequence[Hashable], Sequence[Hashable]] = one.tolist(), other.tolist()
    return JudgeAgreement(one.size, proportion(one == other), kappa(*labels))


def _scores(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = floats(values, name)
    bad = np.flatnonzero(~np.isin(array, (0.0, 0.5, 1.0)))
    if bad.size:
        raise ValueError(f"{name} holds {array[bad[0]]} at item {bad[0]}; only 1, 0.5 or 0")
    return array


def _paired(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    array = _scores(second, "second")
    same_length(first=np.asarray(first), second=array)
    return array


def _lengths(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = floats(values, name)
    bad = np.flatnonzero(array < 0)
    if bad.size:
        raise ValueError(f"{name} holds {array[bad[0]]} at item {bad[0]}; no length is negative")
    return array


def _mean(values: NDArray[np.float64], seed: int) -> Estimate | None:
    return clustered_mean(values, None, seed) if values.size else None


def _tokens(
    a: ArrayLike | None, b: ArrayLike | None, items: NDArray[np.float64], seed: int
) -> Estimate | None:
    if a is None and b is None:
        return None
    if a is None or b is None:
        raise ValueError("tokens_a and tokens_b belong together, and only one is given")
    one, other = _lengths(a, "tokens_a"), _lengths(b, "tokens_b")
    same_length(first=items, tokens_a=one, tokens_b=other)
    return clustered_mean(one - other, None, seed)


def _as_dict(result: Any) -> dict[str, Any]:
    found = {
        name: value.as_dict() if isinstance(value := getattr(result, name), Estimate) else value
        for name in asdict(result)
    }
    return {name: value for name, value in found.items() if value is not None}
