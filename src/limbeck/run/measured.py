"""What was measured of a model, as tables in ``items/``: one row a held-out row, draw or token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.evaluation.audit import Answers, Sample
from limbeck.evaluation.positions import Positions
from limbeck.files import new_file


@dataclass(frozen=True)
class Measured:
    """One model on the held-out rows.

    Attributes:
        items: Column name to values, an entry a row: ``key, prompt, answer, output, extracted,
            correct, finished, tokens, nats, nats_tokens, bytes, whole``. Absent where it could not
            be measured; ``document`` where rows are not independent.
        samples: Further answers, an entry a draw: ``item`` (the place of the row), ``text,
            extracted, correct``. Empty where none were drawn.
        positions: The model beside the teacher at each token of a text: ``data`` (the rows'
            completions), ``teacher`` (its greedy answers) and ``student`` (the model's own).
    """

    items: dict[str, list[Any]]
    samples: dict[str, list[Any]] = field(default_factory=dict)
    positions: Mapping[str, Positions] = field(default_factory=dict)

    def array(self, name: str) -> np.ndarray | None:
        """A column as an array, or None."""
        return np.array(self.items[name], dtype=np.float64) if name in self.items else None

    @cached_property
    def answers(self) -> Answers | None:
        """For an audit; None where rows have no right answers."""
        if "correct" not in self.items:
            return None
        items, nats = self.items, self.array("nats")
        rows = range(len(items["key"]))
        # Right answers to an item are the same answer, however they are written.
        gold = [
            f"what is right of {key}" if answer is None else answer
            for key, answer in zip(items["key"], items["answer"], strict=True)
        ]
        drawn: dict[int, list[Sample]] = {}
        for item, text, said, right in zip(
            *(self.samples.get(name, []) for name in ("item", "text", "extracted", "correct")),
            strict=True,
        ):
            answer = gold[item] if right else said
            drawn.setdefault(item, []).append(Sample(text, answer, right))
        # What stands in for completions that rows do not have tells of no right answer.
        known = items.get("read", ["data"])[0] == "data"
        return Answers(
            tuple(items["output"]),
            tuple(gold[i] if items["correct"][i] else items["extracted"][i] for i in rows),
            np.array(items["correct"], dtype=bool),
            None if self.documents is None else tuple(self.documents),
            nats if known else None,
            {item: tuple(several) for item, several in drawn.items()} or None,
        )

    @property
    def documents(self) -> list[str] | None:
        """Which rows are not independent, by what they share; None where they are."""
        known = self.items.get("document", [])
        return known if len(set(known)) < len(known) else None

    def write(self, folder: Path, name: str) -> None:
        """Keep it below a folder; the rows' file comes last, and says that all is there."""
        if self.samples:
            _write(folder / f"{name}.samples.parquet", self.samples)
        if self.positions:
            parts = [
                pa.table({**found.columns(), "of": [text] * len(found.text)})
                for text, found in self.positions.items()
            ]
            with new_file(folder / f"{name}.tokens.parquet") as partial:
                pq.write_table(pa.concat_tables(parts), partial)
        _write(folder / f"{name}.parquet", self.items)

    @classmethod
    def read(cls, folder: Path, name: str) -> "Measured":
        """What `write` kept."""
        samples, tokens = (folder / f"{name}.{kind}.parquet" for kind in ("samples", "tokens"))
        found: dict[str, Positions] = {}
        if tokens.exists():
            table = pq.read_table(tokens)
            of = np.array(table.column("of").to_pylist())
            columns = {c: table.column(c).to_numpy() for c in table.column_names if c != "of"}
            for text in dict.fromkeys(of.tolist()):
                found[text] = Positions.of_columns({c: v[of == text] for c, v in columns.items()})
        return cls(
            pq.read_table(folder / f"{name}.parquet").to_pydict(),
            pq.read_table(samples).to_pydict() if samples.exists() else {},
            found,
        )


def _write(path: Path, columns: dict[str, list[Any]]) -> None:
    kept = {name: [_writable(value) for value in values] for name, values in columns.items()}
    with new_file(path) as partial:
        pq.write_table(pa.table(kept), partial)


def _writable(value: Any) -> Any:
    """Half a surrogate pair has no bytes in UTF-8; it is kept as its number."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode()
