"""A recipe: the whole request, checked before anything expensive happens."""

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from limbeck.data import DataSpec
from limbeck.engines import Sampling
from limbeck.errors import RequestError
from limbeck.methods import METHODS, Method


class Section(BaseModel):
    """A part of a recipe: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TeacherSFT(Section):
    """Fine-tune the teacher before it teaches.

    Attributes:
        data: What to train it on; the run's own data where nothing is said. Rows whose prompt
            occurs in the run's data are left out, so that the teacher never saw what it answers.
        training: Training arguments of this stage.
    """

    data: DataSpec | None = None
    training: dict[str, Any] = Field(default_factory=dict)


class Lora(Section):
    """Train a low-rank adapter instead of all weights; names as in PEFT's ``LoraConfig``."""

    r: int = Field(16, gt=0)
    lora_alpha: float = Field(32, gt=0)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: list[str] | str = "all-linear"


class ModelSpec(Section):
    """A model; a plain string is its hub id or folder.

    Attributes:
        model: Hub id, local folder, or the folder of a finished run.
        revision: Branch, tag or commit of a hub model.
        adapter: Folder or hub id of a PEFT adapter on top.
        layers: Keep only these decoder layers, or ``every_second`` one.
        fresh: Keep the architecture and draw new weights.
        config: With ``fresh``, or instead of ``model``: settings of the model's configuration,
            such as ``{model_type: llama, hidden_size: 128, ...}``.
        tokenizer: Hub id or folder, or ``characters`` for one token a character; by default the
            model's own, or the other model's.
        lora: Train an adapter of this form (students).
        sft: Fine-tune first (teachers).
        dtype: Of the weights in memory; ``auto`` is as stored. Students are float32 by default.
        trust_remote_code: Let the model folder run its own code.
    """

    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    layers: list[int] | Literal["every_second"] | None = None
    fresh: bool = False
    config: dict[str, Any] | None = None
    tokenizer: str | None = None
    lora: Lora | None = None
    sft: TeacherSFT | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    trust_remote_code: bool = False

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sensible(self) -> "ModelSpec":
        if self.model is None and not (self.config and "model_type" in self.config):
            raise ValueError(
                "give model: a hub id or folder, or config: with a model_type to start from scratch"
            )
        if self.config is not None and self.model is not None and not self.fresh:
            raise ValueError(
                "config changes an architecture, so it needs fresh: true (new weights)"
            )
        if self.fresh and self.model is None:
            raise ValueError("fresh: true takes the architecture of a model, so it needs model:")
        if self.layers is not None and (self.fresh or self.model is None):
            raise ValueError("layers keeps trained layers, so it needs model: and no fresh:")
        return self


class Generation(Section):
    """How teacher and student write text; names as in transformers' ``GenerationConfig``."""

    engine: Literal["transformers"] = "transformers"
    max_new_tokens: int = Field(256, gt=0)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    batch_size: int = Field(64, gt=0)

    def sampling(self) -> Sampling:
        """For an engine."""
        return Sampling(**self.model_dump(exclude={"engine"}))


class Evaluate(Section):
    """How the models are compared on held-out rows.

    Attributes:
        max_items: Evaluate at most so many, those with the smallest prompt hash.
        max_new_tokens: Longest answer, decoded greedily; by default ``generation.max_new_tokens``.
        batch_size: Items at once.
    """

    max_items: int = Field(1000, gt=0)
    max_new_tokens: int | None = Field(None, gt=0)
    batch_size: int = Field(64, gt=0)


class Recipe(Section):
    """Student, teacher, data and method, and how to train, write and compare."""

    student: ModelSpec
    teacher: ModelSpec | None = None
    data: DataSpec
    method: dict[str, Any]
    output: str = Field(min_length=1)
    baseline: Literal["sft", "none"] = "sft"
    controls: bool = False
    seed: int = 0
    training: dict[str, Any] = Field(default_factory=dict)
    generation: Generation = Field(default_factory=Generation)
    evaluate: Evaluate = Field(default_factory=Evaluate)

    @field_validator("baseline", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return "none" if value is None else value

    @field_validator("method", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    def build_method(self) -> Method:
        """The method with its options."""
        return build_method(self.method)

    def to_yaml(self) -> str:
        """The resolved recipe, readable by `load_recipe`."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False)


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply ``key.key=value`` overrides.

    Raises:
        RequestError: The file cannot be read, or the recipe is wrong; names key and mend.
    """
    path = Path(path)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise RequestError(
            "there is no such recipe", where=str(path), mend=_near_files(path)
        ) from None
    except IsADirectoryError:
        raise RequestError(
            "a recipe is a YAML file, and this is a folder",
            where=str(path),
            mend=f"try {path / 'recipe.yaml'}",
        ) from None
    except OSError as error:
        raise RequestError(
            f"the recipe cannot be read: {error.strerror}",
            where=str(path),
            mend="give the path of a .yaml file",
        ) from None
    except UnicodeDecodeError as error:
        raise RequestError(
            "the recipe is not UTF-8 text",
            where=f"{path}, byte {error.start}",
            mend="save it as UTF-8",
        ) from None
    except yaml.YAMLError as error:
        raise RequestError(
            f"the recipe is not YAML: {_one_line(error)}",
            where=str(path),
            mend="check indentation, colons and quotes near that line",
        ) from None
    if not isinstance(loaded, dict):
        raise RequestError(
            "the recipe holds no keys",
            where=str(path),
            mend="it needs student, teacher, data and method",
        )
    for item in overrides:
        _override(loaded, item)
    loaded.setdefault("output", f"runs/{path.stem}")
    return parse_recipe(loaded, where=str(path))


def parse_recipe(request: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Check a recipe given as a mapping.

    Raises:
        RequestError: A key is unknown, missing, of the wrong type, out of range or unused.
    """
    try:
        recipe = Recipe.model_validate(dict(request))
    except ValidationError as error:
        raise _explain(error, where) from None
    method = recipe.build_method()
    _check_training(recipe.training, "training")
    if recipe.teacher is not None and recipe.teacher.sft is not None:
        _check_training(recipe.teacher.sft.training, "teacher.sft.training")
    _check_use(recipe, method)
    return recipe


def build_method(section: Mapping[str, Any]) -> Method:
    """Turn ``{name: gkd, beta: 0.1}`` into ``GKD(beta=0.1)``.

    Raises:
        RequestError: No such method, an option it does not have, or a value out of range.
    """
    options = dict(section)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in METHODS:
        raise RequestError(
            f"there is no method {name!r}", where="method", mend=nearest(str(name), METHODS)
        )
    cls = METHODS[name]
    fields = [f.name for f in dataclasses.fields(cls)]
    for key in options:
        if key not in fields:
            others = [
                n for n, c in METHODS.items() if key in {f.name for f in dataclasses.fields(c)}
            ]
            hint = f"; {', '.join(others)} would use it" if others else ""
            raise RequestError(
                f"the method {name} has no option {key!r}{hint}",
                where=f"method.{key}",
                mend=nearest(key, fields) if fields else f"{name} has no options: leave it out",
            )
    try:
        return TypeAdapter(cls).validate_python(options)
    except ValidationError as error:
        raise _explain(error, "method", prefix="method") from None


def nearest(word: str, known: Any) -> str:
    """A mend that names the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    listed = ", ".join(known)
    return f"did you mean {close[0]}? (known: {listed})" if close else f"known: {listed}"


# Training arguments that a recipe says elsewhere, and where.
_ELSEWHERE = {
    "output_dir": "output",
    "seed": "seed",
    "data_seed": "seed",
    "run_name": "output",
    "resume_from_checkpoint": "nothing: a run resumes by itself",
    "remove_unused_columns": "nothing: the data room chooses columns",
    "label_names": "nothing",
    "do_train": "nothing",
    "do_eval": "nothing",
    "do_predict": "nothing",
    "disable_tqdm": "limbeck distill --quiet",
}
_POSITIVE = ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps")


def _check_training(training: Mapping[str, Any], where: str) -> None:
    for key, value in training.items():
        if key in _ELSEWHERE:
            raise RequestError(
                f"{key} is not set here", where=f"{where}.{key}", mend=f"use {_ELSEWHERE[key]}"
            )
        above_zero = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and 0 < value < float("inf")
        )
        if key == "learning_rate" and not above_zero:
            raise RequestError(
                f"the learning rate must be a number above 0, got {value!r}",
                where=f"{where}.{key}",
                mend="5.0e-5 is a usual start",
            )
        if key in _POSITIVE and not above_zero:
            raise RequestError(
                f"{key} must be above 0, got {value!r}",
                where=f"{where}.{key}",
                mend="leave it out for the default",
            )
    if not training:
        return
    # Not before: it takes seconds, and none of the above needs it.
    from transformers import TrainingArguments

    known = TrainingArguments.__dataclass_fields__
    for key in training:
        if key not in known:
            raise RequestError(
                f"there is no training argument {key!r}",
                where=f"{where}.{key}",
                mend=_close_only(key, known),
            )


def _check_use(recipe: Recipe, method: Method) -> None:
    """Refuse keys that nothing would read."""
    name = recipe.method["name"]
    if (method.imitates or method.teacher_writes) and recipe.teacher is None:
        raise RequestError(
            f"the method {name} needs a teacher",
            where="teacher",
            mend="add teacher: a hub id or folder",
        )
    if recipe.generation != Generation() and not (method.teacher_writes or method.student_writes):
        raise RequestError(
            f"nobody writes text with the method {name} on the data's completions",
            where="generation",
            mend="leave generation out (evaluate.max_new_tokens bounds the answers of the evaluation)",
        )
    if recipe.teacher is not None and recipe.teacher.lora is not None:
        raise RequestError(
            "lora trains a student's adapter", where="teacher.lora", mend="use teacher.adapter"
        )
    for key in ("sft", "adapter"):
        if getattr(recipe.student, key) is not None:
            raise RequestError(
                f"student.{key} is not used",
                where=f"student.{key}",
                mend="run method: sft first, and name that run's folder as the student",
            )
    if recipe.controls and name == "sft":
        raise RequestError(
            "controls explain a distillation, and sft is none",
            where="controls",
            mend="leave it out",
        )


def _explain(error: ValidationError, where: str, prefix: str = "") -> RequestError:
    """The first of pydantic's complaints, in our words."""
    first = error.errors()[0]
    # The last part of a place may be a branch of a union, such as "list[int]".
    loc = tuple(p for p in first["loc"] if "[" not in str(p))
    path = ".".join(str(p) for p in ((prefix,) if prefix else ()) + loc)
    key = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return RequestError(
            f"unknown key {key!r}",
            where=f"{where}: {path}",
            mend=nearest(key, _fields_at(first["loc"])),
        )
    if first["type"] == "missing":
        return RequestError(
            f"the key {key!r} is missing",
            where=f"{where}: {path.rpartition('.')[0]}" if len(loc) > 1 else where,
            mend=f"add {key}: to the recipe",
        )
    branches = [e["msg"] for e in error.errors() if e["loc"][: len(loc)] == loc]
    words = [b.removeprefix("Value error, ").removeprefix("Assertion failed, ") for b in branches]
    message = ", or ".join(dict.fromkeys(w[:1].lower() + w[1:] for w in words))
    given = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
    return RequestError(
        f"{path or where}: {message}{given}",
        where=where,
        mend="correct that value, or leave it out for the default",
    )


def _fields_at(loc: tuple[Any, ...]) -> list[str]:
    """Names that a section of the recipe knows."""
    section: Any = Recipe
    for part in loc[:-1]:
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not found:
            return []
        section = found[0]
    return list(section.model_fields)


def _override(request: dict[str, Any], item: str) -> None:
    """Apply ``training.learning_rate=1e-4``; the value is YAML."""
    dotted, equals, text = item.partition("=")
    if not equals or not dotted:
        raise RequestError(
            f"an override is KEY=VALUE, got {item!r}",
            where="command line",
            mend="for example training.learning_rate=1e-4",
        )
    *sections, key = dotted.split(".")
    node = request
    for depth, name in enumerate(sections):
        inner = node.get(name)
        if isinstance(inner, str):  # the shorthand of a section that is growing
            main = {"method": "name", "data": "source"}.get(name, "model")
            inner = {main: inner}
        if inner is not None and not isinstance(inner, dict):
            where = ".".join(sections[: depth + 1])
            raise RequestError(
                f"{where} is no section, so {dotted} cannot be set",
                where="command line",
                mend=f"set {where}= as a whole",
            )
        node[name] = node = inner or {}
    try:
        node[key] = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise RequestError(
            f"the value of {dotted} is not YAML: {_one_line(error)}",
            where="command line",
            mend="quote it",
        ) from None


class _Loader(yaml.SafeLoader):
    """YAML as people mean it.

    ``5e-5`` is a number (PyYAML reads it as text), and a key that stands twice is an error (PyYAML
    keeps the last one).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
        for key in keys:
            if key != "<<" and keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)$"),
    list("-+0123456789"),
)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _close_only(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return (
        f"did you mean {' or '.join(close)}?"
        if close
        else "names are those of transformers.TrainingArguments"
    )


def _near_files(path: Path) -> str:
    folder = path.parent
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.4)
    return f"did you mean {folder / close[0]}?" if close else "give the path of a .yaml file"
