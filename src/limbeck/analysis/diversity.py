"""How different are several texts from one another? An alarm for students that collapse."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

Text = str | Sequence[Hashable]
_EPSILON = 0.1  # a precision of no match counts as a tenth of one


def distinct_n(texts: Sequence[Text], n: int = 2) -> float:
    """Different n-grams over all n-grams of a set of texts, from 0 (all alike) to 1.

    Li et al. 2016 (arXiv 1510.03055). It falls with the amount of text: compare like with like.

    Args:
        texts: Texts, split at white space, or sequences of tokens.
        n: Length of the n-grams.

    Raises:
        ValueError: n is below 1, or no text has n tokens.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    grams = [gram for text in texts for gram in _grams(_tokens(text), n)]
    if not grams:
        raise ValueError(f"none of the {len(texts)} texts has {n} tokens")
    return len(set(grams)) / len(grams)


def self_bleu(texts: Sequence[Text], n: int = 4) -> float:
    """Mean BLEU of each text against all others as references: 1 where all are the same.

    Zhu et al. 2018 (arXiv 1802.01886). N-grams of length 1 to n count alike, each clipped at the
    most that any one reference has; orders longer than the text are left out; an order without a
    match counts as a tenth of one; a text shorter than its nearest reference is penalised.

    Args:
        texts: Two texts or more, split at white space, or sequences of tokens; none empty.
        n: Longest n-gram.

    Raises:
        ValueError: n is below 1, there are fewer than two texts, or one is empty.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    tokens = [_tokens(text) for text in texts]
    if len(tokens) < 2:
        raise ValueError(f"self-BLEU compares texts with one another: got {len(tokens)}")
    for i, one in enumerate(tokens):
        if not one:
            raise ValueError(f"text {i} is empty; leave such texts out first, and report how many")
    counts = [[Counter(_grams(one, order)) for one in tokens] for order in range(1, n + 1)]
    limits = [_two_most(order) for order in counts]
    lengths = sorted(map(len, tokens))
    return sum(
        _bleu(i, [order[i] for order in counts], limits, len(one), lengths)
        for i, one in enumerate(tokens)
    ) / len(tokens)


Limits = dict[tuple[Hashable, ...], tuple[int, int, int]]


def _two_most(counts: Sequence[Counter[tuple[Hashable, ...]]]) -> Limits:
    """For each n-gram: its highest count in a text, that text, and the highest in another one."""
    limits: Limits = {}
    for i, one in enumerate(counts):
        for gram, count in one.items():
            most, owner, second = limits.get(gram, (0, -1, 0))
            limits[gram] = (count, i, most) if count > most else (most, owner, max(second, count))
    return limits


def _bleu(
    i: int,
    counts: Sequence[Counter[tuple[Hashable, ...]]],
    limits: Sequence[Limits],
    length: int,
    lengths: list[int],
) -> float:
    logs = []
    for own, limit in zip(counts, limits, strict=True):
        if not own:  # the text is shorter than this order
            break
        matches = 0
        for gram, count in own.items():
            most, owner, second = limit[gram]
            matches += min(count, second if owner == i else most)
        logs.append(math.log((matches or _EPSILON) / own.total()))
    nearest = _nearest_other(length, lengths)
    penalty = min(0.0, 1 - nearest / length)
    return math.exp(penalty + sum(logs) / len(logs))


def _nearest_other(length: int, lengths: list[int]) -> int:
    """The length of another text that is nearest; the shorter of two that are equally near."""
    place = bisect_left(lengths, length)
    others = lengths[max(0, place - 1) : place] + lengths[place + 1 : place + 2]
    return min(others, key=lambda other: (abs(other - length), other))


def _grams(tokens: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _tokens(text: Text) -> Sequence[Hashable]:
    return text.split() if isinstance(text, str) else text
