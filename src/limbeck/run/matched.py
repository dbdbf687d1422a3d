"""Solutions of the same problems, by several rounds and for several students, as files of data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from limbeck.data import Example
from limbeck.errors import RequestError
from limbeck.files import digest, write_text
from limbeck.run.donors import Donor, Table


@dataclass(frozen=True)
class Matched:
    """The problems that every table has, so that texts differ in their words alone.

    Attributes:
        problems: By key, in the order of the data.
        too_long: How many more all tables have, with a solution that some student could not read
            whole.
    """

    problems: dict[str, Example]
    too_long: int


def match(donors: list[Donor]) -> Matched:
    """Find the problems with a solution in all tables that all students can read whole.

    Other problems pass the filters of each round, and easier ones more often: unmatched, a table
    could be better by its problems.

    Raises:
        RequestError: There are none.
    """
    tables = [table for d in donors for table in (d.first, d.refined)]
    problems: dict[str, Example] = {}
    for e in donors[0].bench.examples.train:
        if all(e.key in table for table in tables):
            problems.setdefault(e.key, e)
    long = set()
    for bench in (d.bench for d in donors):
        for table in tables:
            done = bench.completed([*problems.values()], [table[k] for k in problems])
            pairs = zip(problems, done, strict=True)
            long |= {key for key, s in pairs if len(s) > bench.max_length}
    kept = {key: e for key, e in problems.items() if key not in long}
    if not kept:
        _refuse(donors, len(problems))
    return Matched(kept, len(long))


def _refuse(donors: list[Donor], common: int) -> None:
    counts = (f"{d.run.path}: {len(d.first):,} first, {len(d.refined):,} refined" for d in donors)
    if common:
        raise RequestError(
            f"each of the {common:,} problems with a solution in all tables has one that is too "
            "long for a student",
            where="; ".join(counts),
            mend="leave out the run of the student with the shortest context or data.max_length",
        )
    raise RequestError(
        "no problem has a solution in all tables",
        where="; ".join(counts),
        mend="give runs whose teacher solved more of the problems",
    )


@dataclass(frozen=True)
class Text:
    """Rows of data in a file whose name tells what they are.

    Attributes:
        name: Whose, and of which round.
        file: Where they go.
        lines: One JSON object a line.
    """

    name: str
    file: Path
    lines: str

    def write(self) -> None:
        """Write them, unless they are there: the name has a hash of them."""
        if not self.file.exists():
            write_text(self.file, self.lines)


def solutions(name: str, matched: Matched, table: Table, folder: Path) -> Text:
    """The matched problems with one table's solutions."""
    rows = [_row(e, table[key]) for key, e in matched.problems.items()]
    return _text(name, rows, folder)


def held_out(donor: Donor, split: Literal["validation", "test"], folder: Path) -> Text:
    """The rows of a split as the data has them."""
    examples: list[Example] = getattr(donor.bench.examples, split)
    return _text(split, [_row(e, e.completion) for e in examples], folder)


def _row(example: Example, completion: str | None) -> str:
    prompt: object = example.prompt
    written: object = completion
    if not isinstance(example.prompt, str):
        prompt = [{"role": m.role, "content": m.content} for m in example.prompt]
        if completion is not None:
            written = [{"role": "assistant", "content": completion}]
    row = {"prompt": prompt, "completion": written, "answer": example.answer}
    return json.dumps(row, ensure_ascii=False)


def _text(name: str, rows: list[str], folder: Path) -> Text:
    return Text(name, folder / f"{name}-{digest(rows)[:8]}.jsonl", "\n".join(rows) + "\n")
