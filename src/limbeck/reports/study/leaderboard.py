"""Methods side by side, over the cells and tasks that all of them have."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from limbeck.analysis.ranks_of import AverageRanks, average_ranks
from limbeck.reports import words
from limbeck.reports.sections import Column, Table

from .download import Download
from .part import Listing
from .scale import counted
from .tidy import Row, Spread, Tidy, averaged, having, over_seeds, over_students, where

_NONE: Spread = (float("nan"), None, None)
_REFERENCES = (
    ("Teacher", "teacher_score"),
    ("SFT, the baseline", "sft_score"),
    ("Before training", "before_score"),
)


@dataclass(frozen=True)
class Line:
    """One method, or one that it is measured against.

    Attributes:
        name: Its name.
        score: Mean score, and what other seeds would give.
        gain: Mean gain over SFT, and where it plausibly lies for others of what was resampled.
        rank: Average rank over the blocks, or None.
        blocks: Cells and tasks that the means are over.
    """

    name: str
    score: Spread
    gain: Spread
    rank: float | None
    blocks: int


class Leaderboard:
    """Methods over shared blocks: one block is one cell, without its method, on one task.

    Blocks in which a method is missing are left out for all, so that all are measured on the same.
    Where there is one block only, its seeds are what methods are ranked over.
    Axes that one of the methods does not have, such as another's own setting, are averaged over.

    Attributes:
        axes: The axes of the blocks.
        averaged: The axes that are averaged over.
        left_out: Blocks that not all methods have.
    """

    def __init__(self, tidy: Tidy):
        self._tidy = tidy
        beside = [axis for axis in tidy.axes if axis != "method"]
        self.axes = tuple(axis for axis in beside if _comparable(tidy, axis))
        self.averaged = tuple(axis for axis in beside if axis not in self.axes)
        self._unit = (*self.axes, "task")
        units = averaged(having(tidy.kept, "score"), (*self.axes, "task", "method"))
        self._of = {
            method: {self._key(row): row for row in units if row["method"] == method}
            for method in tidy.methods
        }
        self._of = {method: blocks for method, blocks in self._of.items() if blocks}
        every = [set(blocks) for blocks in self._of.values()]
        self._blocks = set[Any]().union(*every).intersection(*every) if every else set()
        self.left_out = len(set[Any]().union(*every)) - len(self._blocks)

    @property
    def lead(self) -> str:
        """Over what the means are, in words."""
        if not self._blocks:
            return "The methods share no cells; each mean is over a method's own."
        size = counted(len(self._blocks), "block")
        said = [f"Methods over the same {size} ({names(self.axes)}), means over seeds."]
        if self.left_out:
            said.append(f"Left out: {counted(self.left_out, 'block')} that not all methods have.")
        if self.averaged:
            said.append(f"Averaged over {words.listed(list(self.averaged))}.")
        return " ".join(said)

    @property
    def blocks(self) -> list[Row]:
        """Mean scores over seeds, for each block and method, blocks in the table's order."""
        return [blocks[key] for key in self._keys for blocks in self._of.values()]

    @property
    def of_seeds(self) -> bool:
        """Whether methods are ranked over the seeds of one block."""
        return len(self._blocks) == 1

    @cached_property
    def ranked(self) -> list[Row]:
        """A row for each method and whatever methods are ranked over: blocks, or seeds."""
        if not self.of_seeds:
            return self.blocks
        rows = [row for method in self._of for row in self._rows(method)]
        by_seed = averaged(rows, (*self._unit, "method", "seed"))
        of = [{row["seed"] for row in by_seed if row["method"] == method} for method in self._of]
        return [row for row in by_seed if row["seed"] in set.intersection(*of)]

    @property
    def _keys(self) -> list[Any]:
        """The shared blocks in the table's order."""
        return [key for key in next(iter(self._of.values()), ()) if key in self._blocks]

    @property
    def cells(self) -> list[Row]:
        """A row for each cell and method, over its tasks: the blocks, or, where none is shared, all."""
        if not self._blocks:
            return self._tidy.cells
        return averaged(self.blocks, (*self.axes, "method"))

    @cached_property
    def ranks(self) -> AverageRanks | None:
        """Average ranks; none for fewer than two methods, or blocks and seeds."""
        scores: dict[str, dict[Any, float]] = {str(method): {} for method in self._of}
        for row in self.ranked:
            key = (*self._key(row), row.get("seed") if self.of_seeds else None)
            scores[str(row["method"])][key] = row["score"]
        order = list(next(iter(scores.values()), ()))
        if len(scores) < 2 or len(order) < 2:
            return None
        named = {method: [of[key] for key in order] for method, of in scores.items()}
        return average_ranks(named, self._tidy.scale.higher_is_better)

    @cached_property
    def lines(self) -> list[Line]:
        """Methods, the best first, then what they are measured against."""
        ranks = dict(zip(self.ranks.names, self.ranks.ranks, strict=True)) if self.ranks else {}
        found = []
        for method, blocks in self._of.items():
            rows = self._rows(method)
            gain = self._gain(method)[0]
            rank = ranks.get(str(method))
            score = over_seeds(rows, "score", self._unit)
            found.append(Line(str(method), score, gain, rank, len(self._shown(blocks))))
        sign = -1 if self._tidy.scale.higher_is_better else 1
        found.sort(key=lambda line: (line.rank or 0.0, sign * line.score[0]))
        every = [row for method in self._of for row in self._rows(method)]
        for name, column in _REFERENCES:
            if known := having(every, column):
                size = len({self._key(row) for row in known})
                spread = over_seeds(known, column, self._unit)
                found.append(Line(name, spread, _NONE, None, size))
        return found

    @property
    def resampled(self) -> str:
        """What the intervals of the gains resample."""
        return self._gain(next(iter(self._of)))[1]

    def listing(self) -> Listing | None:
        """The table."""
        if not self._of:
            return None
        scale = self._tidy.scale
        unit = f", in {scale.unit}" if scale.unit else ""
        others = "What the same study with other {} would plausibly give{}."
        columns = (
            Column("Method", text=True),
            Column("Score", f"Mean {scale.name} over the same cells and tasks."),
            Column("95% interval", others.format("seeds", "")),
            Column("Gain", f"How much better than SFT the mean score is{unit}."),
            Column("95% interval", others.format(self.resampled, unit)),
            Column(
                "Mean rank",
                "Rank among the methods, averaged over "
                f"{'seeds' if self.of_seeds else 'cells and tasks'}; 1 is best.",
            ),
            Column("Blocks", "Cells and tasks that the means are over.", detail=True),
        )
        rows = tuple(
            (
                line.name,
                scale.write(line.score[0]),
                scale.span(*line.score[1:]),
                scale.difference(line.gain[0]),
                scale.between(*line.gain[1:]),
                words.decimal(line.rank, 2),
                words.count(line.blocks),
            )
            for line in self.lines
        )
        raw = tuple(
            (line.name, *line.score, *(_known(x) for x in line.gain), line.rank, line.blocks)
            for line in self.lines
        )
        names = "method score score_low score_high gain gain_low gain_high mean_rank blocks"
        table = Table("Leaderboard", "", columns, rows).without_empty()
        return Listing(table, Download("leaderboard", tuple(names.split()), raw))

    def _gain(self, method: Any) -> tuple[Spread, str]:
        rows = having(self._rows(method), "improvement")
        return over_students(rows, "improvement", self._unit) if rows else (_NONE, "seeds")

    def _rows(self, method: Any) -> list[Row]:
        shown = self._shown(self._of[method])
        known = having(self._tidy.kept, "score")
        return [row for row in known if row.get("method") == method and self._key(row) in shown]

    def _shown(self, blocks: dict[Any, Row]) -> set[Any]:
        return self._blocks or set(blocks)

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.get(column) for column in self._unit)


def _comparable(tidy: Tidy, axis: str) -> bool:
    """Whether methods can be compared at the same label of an axis.

    They cannot at a method's own setting without a value that all methods have, nor at what one of
    them does not have at all, such as the teacher of a method without one.
    """
    labels = [{row.get(axis) for row in where(tidy.kept, method=m)} for m in tidy.methods]
    there = [found for found in labels if found]
    if axis.startswith("method."):
        return bool(there and set.intersection(*there))
    return {None} not in there or all(found == {None} for found in there)


def _known(value: float | None) -> float | None:
    return value if words.known(value) else None


def names(axes: Sequence[str]) -> str:
    """Axes in words: ``students, teachers and tasks``."""
    plain = {"student": "students", "teacher": "teachers"}
    return words.listed([*(plain.get(axis, axis) for axis in axes), "tasks"])
