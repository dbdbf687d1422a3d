"""The ``data`` key of a recipe."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from limbeck.data.files import SUFFIXES
from limbeck.data.tasks import TASKS

Column = Literal["prompt", "completion", "messages", "text", "answer"]
Verifier = Literal["exact", "last_number", "after_marker", "boxed", "choice", "yes_no"]

_HUB_ONLY = ("config", "split")
_TASK_ONLY = ("options", "validation_rows", "test_rows", "seed")
_READ_ONLY = ("columns", "verifier")


class DataSpec(BaseModel):
    r"""Where the examples come from and how they are read, split and cut.

    A bare string is shorthand for ``source``.

    Attributes:
        source: Hub id, local file (``.jsonl``, ``.json``, ``.parquet``, ``.csv``), local folder of
            such files, or the name of a built-in task.
        config: Configuration of a data set on the hub.
        split: Split of a data set on the hub to take the rows from.
        columns: From our names (``prompt``, ``completion``, ``messages``, ``text``, ``answer``)
            to the data's columns, or to templates such as ``"Question: {question}\nAnswer:"``.
        validation: Fraction of the prompts held out to choose by, or a file with those rows.
        test: Fraction of the prompts held out to report on, or a file with those rows.
        rows: How many training rows to generate (tasks, 2000 where nothing is said), or to use at
            most (anything else).
        validation_rows: How many validation rows to generate (tasks).
        test_rows: How many test rows to generate (tasks).
        labelled: Keep the completion of only this many training rows.
        options: Options of a built-in task.
        verifier: How a completion is compared with the ``answer`` column; None is ``exact``.
        chat: Wrap string prompts and completions in user and assistant turns.
        system: A system message to put before conversations that bring none.
        max_length: Longest prompt and completion together, in tokens; None is no limit.
        truncation: What to do with longer rows.
        seed: Seed of the generated problems (tasks).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    config: str | None = None
    split: str = Field(default="train", min_length=1)
    columns: dict[Column, str] = {}
    validation: float | str = 0.05
    test: float | str = 0.1
    rows: int | None = Field(default=None, ge=1)
    validation_rows: int = Field(default=200, ge=0)
    test_rows: int = Field(default=500, ge=0)
    labelled: int | None = Field(default=None, ge=0)
    options: dict[str, Any] = {}
    verifier: Verifier | None = None
    chat: bool = False
    system: str | None = None
    max_length: int | None = Field(default=None, ge=2)
    truncation: Literal["cut_completion", "cut_prompt", "drop"] = "cut_completion"
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> "DataSpec":
        fractions = [v for v in (self.validation, self.test) if not isinstance(v, str)]
        if any(not 0 <= v < 1 for v in fractions) or sum(fractions) >= 1:
            raise ValueError("validation and test are fractions in [0, 1) that sum to less than 1")
        self._refuse_unused()
        if self.origin == "task":
            if len(fractions) < 2:
                raise ValueError(
                    f"{self.source} generates its own validation and test rows: give fractions"
                )
            if self.system is not None and not self.chat:
                raise ValueError("a system message needs chat: true")
        return self

    def _refuse_unused(self) -> None:
        # Values are compared with their defaults, not with the keys that were written, so that a
        # fully resolved recipe can be read again.
        unused = {
            "task": _HUB_ONLY + _READ_ONLY,
            "local": _HUB_ONLY + _TASK_ONLY,
            "hub": _TASK_ONLY,
        }[self.origin]
        fields = type(self).model_fields
        extra = [name for name in unused if getattr(self, name) != fields[name].default]
        if extra:
            meant = {"task": "a built-in task", "local": "a local path", "hub": "a hub id"}
            raise ValueError(
                f"{', '.join(extra)} means nothing for {meant[self.origin]} ({self.source})"
            )

    @property
    def origin(self) -> Literal["task", "local", "hub"]:
        """What ``source`` is: a task's name wins, then a local path, then a hub id."""
        if self.source in TASKS:
            return "task"
        looks_local = self.source.startswith(("./", "../", "/", "~"))
        if looks_local or self.source.lower().endswith(SUFFIXES) or os.path.exists(self.path):
            return "local"
        return "hub"

    @property
    def path(self) -> Path:
        """``source`` as a local path."""
        return Path(os.path.expanduser(self.source))
