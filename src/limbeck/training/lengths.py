"""Sequences of similar length side by side: padding is work that nobody reads."""

from collections.abc import Iterator
from collections.abc import Sequence as Rows

import torch
from torch.utils.data import Sampler

from limbeck.data import Sequence

POOL = 50  # batches that are sorted together: enough to be of one length each, few enough to stay random


class ByLength(Sampler[int]):
    """Random batches of rows of similar length, in random order; each row once an epoch.

    The grouping sampler of transformers gives the batches of a pool out from the longest to the
    shortest, a curriculum that nobody asked for.

    Args:
        lengths: Of each row.
        batch: Rows of an optimiser step, over all ranks and micro-batches.
        seed: Of the order, with the epoch.
    """

    def __init__(self, lengths: Rows[int], batch: int, seed: int):
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader, so that a resumed epoch has the order it began with."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self), generator=generator).tolist()
        batches = []
        for start in range(0, len(order), POOL * self.batch):
            pool = sorted(order[start : start + POOL * self.batch], key=self.lengths.__getitem__)
            batches += [pool[i : i + self.batch] for i in range(0, len(pool), self.batch)]
        # An incomplete batch must come last, or all that follow it would be cut elsewhere.
        whole = [b for b in batches if len(b) == self.batch]
        rest = [b for b in batches if len(b) < self.batch]
        for i in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[i]
        for b in rest:
            yield from b


def longest_first(rows: Rows[Sequence], each: int) -> list[Sequence]:
    """The sequences of an accumulation window, ordered so that micro-batches are of one length.

    The sum over the window is divided once, so their order cannot change the gradient. The longest
    come first: a step that does not fit into memory fails at once.

    Args:
        rows: Sequences; those of one example stand together.
        each: How many an example has.
    """
    groups = [rows[i : i + each] for i in range(0, len(rows), each)]
    groups.sort(key=lambda group: -max(map(len, group)))
    return [s for group in groups for s in group]
