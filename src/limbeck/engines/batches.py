"""Prompts in batches of like lengths."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Text = TypeVar("Text")


def in_batches(
    prompts: Sequence[Sequence[int]], size: int, write: Callable[[list[int]], Iterable[Text]]
) -> list[Text]:
    """What ``write`` makes of the prompts with the given numbers, in the prompts' order.

    They are sorted by length, so that a batch pads little.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    done: dict[int, Text] = {}
    for start in range(0, len(order), size):
        chunk = order[start : start + size]
        done.update(zip(chunk, write(chunk), strict=True))
    return [done[i] for i in range(len(prompts))]
