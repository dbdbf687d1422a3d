"""The models of an audit: each as the student of a recipe that trains nothing."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from limbeck.bench import Bench, Split, open_bench
from limbeck.console import say
from limbeck.data import DataSpec, Examples
from limbeck.engines import Engine
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import RequestError
from limbeck.models import device, load_model
from limbeck.recipe import Recipe, nearest, override, parse_recipe
from limbeck.recipe.wording import explain
from limbeck.run.folder import RunFolder
from limbeck.run.measure import HeldOut, Measuring, held_out
from limbeck.run.measured import Measured
from limbeck.run.opening import hashes_of
from limbeck.targets import ModelTeacher, check_head

_SECTIONS = ("teacher", "student", "data", "evaluate", "seed")


@dataclass(frozen=True, eq=False)
class Opposed:
    """Models that answer the same prompts.

    Attributes:
        places: Every arm and where it is; ``teacher`` among them.
        models: Those that are models, and no files of outputs; where there is none, only `data_spec`
            is known.
        data: What they are asked: a source, all rows of which are compared on unless the words
            name test rows; or a recipe's section, with the test rows that it has.
        words: ``KEY=VALUE`` for a recipe's sections.
        output: The folder of the audit.
    """

    places: Mapping[str, str]
    models: Mapping[str, str]
    data: str | dict[str, Any]
    words: Sequence[str]
    output: Path

    @cached_property
    def request(self) -> dict[str, Any]:
        """What the words make of the sections of a recipe.

        Raises:
            RequestError: They name a section that an audit has no use for.
        """
        found: dict[str, Any] = {"data": self.data, **self.models}
        for word in self.words:
            section = word.partition("=")[0].partition(".")[0]
            if section not in _SECTIONS:
                raise RequestError(
                    f"an audit has no use for {section}",
                    where=f"command line: {word}",
                    mend=nearest(section, _SECTIONS),
                )
            if section in self.places and section not in self.models:
                raise RequestError(
                    f"the {section} is a file of outputs, and {word.partition('=')[0]} is about a model",
                    where=f"command line: {word}",
                    mend="leave it out",
                )
            override(found, word)
        return found

    @cached_property
    def data_spec(self) -> DataSpec:
        """What is asked, as a recipe's section; all rows of a source are test rows.

        Raises:
            RequestError: The section is wrong.
        """
        data = self.request["data"]
        data = dict(data) if isinstance(data, dict) else {"source": data}
        try:
            spec = DataSpec(**data)
            if isinstance(self.data, str) and spec.origin != "task" and "test" not in data:
                spec = DataSpec(**data, validation=0, test=0)
        except ValidationError as error:
            raise explain(error, "limbeck audit", DataSpec, "data") from None
        return spec

    @cached_property
    def benches(self) -> dict[str, Bench]:
        """Each model's prompts as it reads them, with the teacher at its side where there is one."""
        found = {arm: open_bench(self._recipe(arm)) for arm in self.models}
        # All read as far as the model with the shortest context: no other text is the same text.
        least = min(bench.max_length for bench in found.values())
        return {
            arm: bench if bench.max_length == least else open_bench(self._recipe(arm, least))
            for arm, bench in found.items()
        }

    @property
    def first(self) -> Bench:
        """That of the student, or whichever model there is."""
        return self.benches["student" if "student" in self.models else next(iter(self.models))]

    @property
    def recipe(self) -> Recipe:
        """What tells this audit from another in the same folder."""
        return self._recipe("student" if "student" in self.models else next(iter(self.models)))

    @property
    def examples(self) -> Examples:
        """The data's rows."""
        return self.first.examples

    @property
    def split(self) -> Split:
        """Which rows are compared on: all of a source, or those that were held out."""
        return "train" if self.data_spec.test == 0 else "test"

    @property
    def rows(self) -> HeldOut:
        """Those that are compared on: every model can read them."""
        return self._rows[self.first]

    @property
    def hashes(self) -> dict[str, str]:
        """Of models and data, to notice when they change under an unfinished audit."""
        found = {arm: hashes_of(bench)["student"] for arm, bench in self.benches.items()}
        return found | {"data": hashes_of(self.first)["data"]}

    def measuring(self, folder: RunFolder, bench: Bench) -> Measuring:
        """Measures a model on the rows."""
        return Measuring(folder, bench, self._rows[bench], lambda: self._teacher_engine)

    def measure(self, folder: RunFolder, arm: str) -> Measured:
        """One of the models."""
        bench = self.benches[arm]
        beside = arm != "teacher" and bench.teacher is not None and bench.one_tokenizer
        judge = (lambda: self._judge) if beside else None
        load = (lambda: self._teacher) if arm == "teacher" else (lambda: self._load(arm))
        return self.measuring(folder, bench).measure(arm, load, judge)

    @cached_property
    def _teacher(self) -> Any:
        model = self._load("teacher")
        check_head(model, "teacher")
        return model.eval().requires_grad_(False).to(device())

    @cached_property
    def _judge(self) -> ModelTeacher:
        return ModelTeacher(self._teacher, len(self.benches["teacher"].student.tokenizer))

    @cached_property
    def _teacher_engine(self) -> Engine:
        side = self.benches["teacher"].student
        return TransformersEngine(
            self._teacher, pad_id(side.tokenizer), side.ends, len(side.tokenizer)
        )

    def _load(self, arm: str) -> Any:
        bench = self.benches[arm]
        return load_model(bench.recipe.student, arm, bench.student.tokenizer, 0, "auto")

    def _recipe(self, arm: str, max_length: int | None = None) -> Recipe:
        request = self.request
        taught = arm != "teacher" and "teacher" in self.models
        data = self.data_spec.model_dump(exclude_unset=True)
        if max_length is not None:
            data |= {"max_length": max_length}
        found: dict[str, Any] = {
            "student": request[arm],
            "data": data,
            "method": "kd" if taught else "sft",
            "baseline": "none",
            "output": str(self.output),
            **{key: request[key] for key in ("evaluate", "seed") if key in request},
        }
        if taught:
            found["teacher"] = request["teacher"]
        recipe = parse_recipe(found, where="limbeck audit")
        if recipe.evaluate.tasks:
            raise RequestError(
                "an audit compares on its data, and knows no tasks",
                where="evaluate.tasks",
                mend="limbeck eval TEACHER STUDENT --tasks ...",
            )
        return recipe

    @cached_property
    def _rows(self) -> dict[Bench, HeldOut]:
        """The rows of each model: the same for all, those that every one can read."""
        evaluate, split = self.recipe.evaluate, self.split
        found = {b: held_out(b, split, limit=sys.maxsize) for b in self.benches.values()}
        kept = set.intersection(*({s.example for s in rows.own} for rows in found.values()))
        if not kept:
            raise RequestError(
                "there is no row to compare on",
                where="data",
                mend="give data with test rows, or a file: all of its rows are compared on",
            )
        given = len(getattr(self.examples, split))
        if len(kept) < given:
            say(f"{given - len(kept):,} of {given:,} rows are too long for a model, and left out")
        all_wanted = split == "train" and "max_items" not in evaluate.model_fields_set
        limit = sys.maxsize if all_wanted else evaluate.max_items
        return {bench: rows.among(kept, limit) for bench, rows in found.items()}
