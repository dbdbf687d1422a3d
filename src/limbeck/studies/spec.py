"""A study: one recipe, and what is varied over it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from limbeck.errors import RequestError
from limbeck.recipe import Recipe, explain, override, read_yaml
from limbeck.studies.hypotheses import RESERVED, Hypothesis
from limbeck.studies.selection import Selection

Axis = dict[str, Any]
"""Label to value, in the order of the file."""


class Local(BaseModel):
    """Runs as processes of this machine.

    Attributes:
        processes: Runs at a time; by default one a GPU, else one for every two cores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local"] = "local"
    processes: int | None = Field(None, gt=0)


class RayCluster(BaseModel):
    """Runs as tasks of a Ray cluster.

    Attributes:
        address: Of an existing cluster (``auto``, ``HOST:6379``, ``ray://HOST:10001``); by default one
            is started here.
        cpus: Cores of a run.
        gpus: GPUs of a run.
        retries: How often a run is started again when its worker is lost.
        storage: Where finished runs are collected, any path that fsspec knows (``s3://...``); by
            default they are sent back to the study's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["ray"]
    address: str | None = None
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    retries: int = Field(3, ge=0)
    storage: str | None = None


class Study(BaseModel):
    """What a study file says.

    Attributes:
        base: A recipe, as a mapping or as the path of its file; every run begins with it.
        axes: What is varied: a recipe's key (``method``, ``student``, ``data.rows``, ...) to its values,
            a list or a mapping of labels to values. Values that are mappings are put over the
            recipe's own.
        seeds: Of which each cell of the grid has one run.
        hypotheses: What is claimed, written down before anything runs.
        correction: Of p, over all hypotheses.
        select: An axis that is no question but a setting: chosen for each cell on validation rows.
        executor: Where the runs are done.
        output: The study's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: dict[str, Any]
    axes: dict[str, Axis]
    seeds: list[int] = Field(default_factory=lambda: [0, 1, 2], min_length=1)
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    correction: Literal["holm", "bh"] = "holm"
    select: Selection | None = None
    executor: Local | RayCluster = Field(default_factory=Local, discriminator="kind")
    output: str = Field(min_length=1)

    @field_validator("executor", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        return {"kind": "local", **value} if isinstance(value, Mapping) else value

    @field_validator("axes", mode="before")
    @classmethod
    def _labelled(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: labelled(name, values) for name, values in value.items()}

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: list[int]) -> list[int]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(f"seed {twice[0]} stands twice: its runs would be the same")
        return seeds

    @model_validator(mode="after")
    def _apart(self) -> "Study":
        for name in ("output", "seed", "evaluate.validation"):
            if name in self.axes:
                raise ValueError(f"{name} is no axis" + (": give seeds" if name == "seed" else ""))
        for name in self.axes:
            if name in RESERVED:
                raise ValueError(
                    f"{name} is a column of every study's table; call the axis otherwise"
                    + (", or vary data or data.source" if name == "task" else "")
                )
        return self


def labelled(name: str, values: Any) -> Any:
    """The values of an axis with labels; a list is labelled by what tells its values apart.

    Raises:
        ValueError: The axis is empty, or two values have the same label.
    """
    if isinstance(values, Mapping):
        found = {str(label): value for label, value in values.items()}
    elif isinstance(values, list):
        labels = [_label(value) for value in values]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(
                f"the axis {name} has two values called {twice[0]!r}; give labels: a mapping of names "
                "to values"
            )
        found = dict(zip(labels, values, strict=True))
    else:
        raise ValueError(f"the axis {name} is a list of values, or a mapping of labels to values")
    if not found:
        raise ValueError(f"the axis {name} is empty")
    return found


def _label(value: Any) -> str:
    """A short name: of a mapping its ``name``, ``model`` or ``source``, with what else it says."""
    if not isinstance(value, Mapping):
        return str(value).lower() if isinstance(value, bool) else str(value)
    main = next((k for k in ("name", "model", "source") if k in value), None)
    rest = [f"{k}={_label(v)}" for k, v in value.items() if k != main]
    head = [str(value[main])] if main else []
    return " ".join([*head, *rest])


def load_study(path: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> Study:
    """Read a study file.

    Raises:
        RequestError: It cannot be read, or is wrong; names key and mend.
    """
    path = Path(path)
    found = read_yaml(path, (), "study", "it needs base and axes")
    base = found.get("base")
    if isinstance(base, str):
        where = path.parent / base
        found["base"] = read_yaml(where, (), "recipe", "it needs student, teacher and data")
    if isinstance(found.get("executor"), str):
        found["executor"] = {"kind": found["executor"]}
    for item in overrides:
        _refuse_recipe_key(item)
        if not _put_axis(found.get("axes"), item):
            override(found, item)
    found.setdefault("output", f"studies/{path.stem}")
    try:
        return Study.model_validate(found)
    except ValidationError as error:
        raise explain(error, str(path), Study) from None


def _refuse_recipe_key(item: str) -> None:
    key = item.partition("=")[0]
    first = key.partition(".")[0]
    if first in Recipe.model_fields and first not in Study.model_fields:
        raise RequestError(
            f"{first} is a key of a recipe, and this is a study",
            where=f"command line: {item}",
            mend=f"base.{key}=... changes it in every run",
        )


def _put_axis(axes: Any, item: str) -> bool:
    """Apply ``axes.training.learning_rate=...`` where an axis has that name, dots and all."""
    key, _, value = item.partition("=")
    name = key.removeprefix("axes.")
    if name == key or not isinstance(axes, dict) or name not in axes or "." not in name:
        return False
    set_to: dict[str, Any] = {}
    override(set_to, f"value={value}")
    axes[name] = set_to["value"]
    return True


def to_yaml(study: Study) -> str:
    """The study as a file, fully resolved."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
