"""Choices: under letters, and which of several continuations a model holds for the likeliest."""

import math
from collections.abc import Callable, Sequence

from limbeck.evaluation.tasks.items import Item

LETTERS = "ABCDEFGHIJ"

NORMALISATIONS: dict[str, Callable[[str, Sequence[float]], int]] = {
    "none": lambda text, tokens: 1,
    "characters": lambda text, tokens: len(text),
    "bytes": lambda text, tokens: len(text.encode("utf-8", "surrogatepass")),
    "tokens": lambda text, tokens: len(tokens),
}
"""What a continuation's log-probability is divided by; its text is taken without leading space."""


def listed(choices: Sequence[str]) -> str:
    """The options, one in a line, each under its letter."""
    return "\n".join(f"{letter}. {c}" for letter, c in zip(LETTERS, choices, strict=False))


def choose(
    item: Item, log_probs: Sequence[Sequence[float]], normalise: str
) -> tuple[int | None, dict[str, float]]:
    """The likeliest choice, and whether it is right.

    Args:
        item: With choices, the number of the right one as gold.
        log_probs: Of each choice's tokens, in nats. One sum for each choice does, except where
            tokens are counted.
        normalise: One of `NORMALISATIONS`.

    Returns:
        The number of the choice, the first of those that tie; None where a log-probability is not
        a number or no choice is possible. And grades: by this normalisation, and by the plain sum.

    Raises:
        ValueError: There are not as many lists as choices, or one of them is empty.
    """
    if len(log_probs) != len(item.choices):
        raise ValueError(
            f"item {item.id} has {len(item.choices)} choices, and {len(log_probs)} were scored"
        )
    for number, tokens in enumerate(log_probs):
        if not len(tokens):
            raise ValueError(f"item {item.id}: choice {number} was scored without a token")
    names = dict.fromkeys((normalise, "none"))
    chosen = {name: _likeliest(item, log_probs, name) for name in names}
    return chosen[normalise], {f"by_{n}": float(c == item.gold) for n, c in chosen.items()}


def _likeliest(item: Item, log_probs: Sequence[Sequence[float]], normalise: str) -> int | None:
    # What is scored is the continuation, which is not the choice where that stands inside a text.
    texts = [after.removeprefix(" ") for _, after in item.pairs]
    length = NORMALISATIONS[normalise]
    values = [
        float(sum(tokens)) / max(1, length(text, tokens))
        for text, tokens in zip(texts, log_probs, strict=True)
    ]
    if any(map(math.isnan, values)) or max(values) == -math.inf:
        return None
    return values.index(max(values))
