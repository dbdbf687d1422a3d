"""Text that was written earlier in training, to be trained on again."""

import json
import random
from collections import deque
from collections.abc import Sequence as Rows
from dataclasses import asdict
from pathlib import Path
from typing import Any

from limbeck.data.batch import Author, Sequence
from limbeck.files import write_json


class Replay:
    """The newest sequences of this rank, first in, first out; saved with every checkpoint.

    Args:
        capacity: How many are kept; the oldest leave.
    """

    def __init__(self, capacity: int):
        self.rows: deque[Sequence] = deque(maxlen=capacity)

    @property
    def full(self) -> bool:
        """Whether the next sequence drives out the oldest."""
        return len(self.rows) == self.rows.maxlen

    def push(self, rows: Rows[Sequence]) -> None:
        """Keep these."""
        self.rows.extend(rows)

    def hold(self, rows: Rows[Sequence]) -> None:
        """Keep these, and nothing else, however many they are."""
        self.rows = deque(rows, maxlen=max(len(rows), self.rows.maxlen or 0))

    def draw(self, count: int, seed: int) -> list[Sequence]:
        """So many at random, without repeats as far as there are enough."""
        chosen = random.Random(seed)
        rows = list(self.rows)
        whole, rest = divmod(count, len(rows))
        return rows * whole + chosen.sample(rows, rest)

    def save(self, path: Path) -> None:
        """Write all of it to a file."""
        write_json(path, [asdict(s) for s in self.rows])

    def load(self, path: Path) -> None:
        """Take up what `save` wrote; of more than there is room for, the newest."""
        rows = [_sequence(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
        if self.rows.maxlen:
            self.rows.clear()
            self.push(rows)
        else:
            self.hold(rows)


def _sequence(entry: dict[str, Any]) -> Sequence:
    known: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in entry.items()}
    return Sequence(**{**known, "author": Author(entry["author"])})
