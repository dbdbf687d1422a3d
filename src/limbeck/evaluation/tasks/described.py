"""A user's own task: a few lines of YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.answers import EXTRACTORS, SCORERS, first_of
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.choosing import LETTERS
from limbeck.evaluation.tasks.items import Question
from limbeck.evaluation.tasks.labels import CORPUS
from limbeck.evaluation.tasks.registry import python_object
from limbeck.evaluation.tasks.sources import Hub, optional, value
from limbeck.evaluation.tasks.templates import fields_of
from limbeck.recipe.wording import explain


class HubRows(BaseModel):
    """Rows on the hub: the data set's id, its configuration and the split to evaluate on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    config: str | None = None
    split: str = "test"


class Described(BaseModel):
    """What a file says of a task.

    Attributes:
        name: As it is reported; the file's name where nothing is said.
        prompt: Template with the data's columns in braces.
        chat: Template of the user's turn for models that converse; None is the prompt.
        system: A system message.
        answer: The column of the gold answer: a text, a list, or, of choices, the right one's
            number counted from 0, its letter or its text.
        answer_extract: How the gold answer is read out of that column, where it holds more.
        extract: How an answer is read out of a completion, or ``FILE.py:FUNCTION``.
        score: How it is compared with gold, or ``FILE.py:FUNCTION``.
        choices: The options: a list of texts, or the columns or the one column that has them;
            then the likeliest one is the answer.
        normalise: What a choice's log-probability is divided by.
        labels: Answers that exist; the first one that a completion mentions is its answer.
        metrics: Figures over all labels: ``kappa``, ``linear_kappa``, ``macro_f1``.
        id: The column of the rows' ids.
        document: The column of what rows share that are not independent.
        context: The column that may be cut to make room; the prompt reads it by its own name.
        hub: Rows on the hub, where no file is named.
        stop: Texts that end an answer.
        max_new_tokens: Room for an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    prompt: str = Field(min_length=1)
    chat: str | None = None
    system: str | None = None
    answer: str
    answer_extract: str | None = None
    extract: str | None = None
    score: str | None = None
    choices: list[str] | str | None = None
    normalise: Literal["none", "characters", "bytes", "tokens"] | None = None
    labels: list[str] = []
    metrics: list[str] = []
    id: str | None = None
    document: str | None = None
    context: str | None = None
    hub: HubRows | None = None
    stop: list[str] = []
    max_new_tokens: int = Field(default=512, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Described":
        if self.choices is None and self.normalise is not None:
            raise ValueError("normalise needs choices")
        for key in ("extract", "score", "labels"):
            if self.choices is not None and getattr(self, key):
                raise ValueError(f"the likeliest of the choices is the answer: leave out {key}")
        if self.labels and self.extract is not None:
            raise ValueError("labels say how an answer is read: leave out extract, or labels")
        if self.metrics and not self.labels:
            raise ValueError("metrics over all labels need labels")
        return self


def described_task(path: Path) -> Task:
    """The task that a YAML file describes.

    Raises:
        RequestError: The file cannot be read, or a key is unknown, missing or wrong.
    """
    said = _read(path)
    try:
        request = Described.model_validate(said)
    except ValidationError as error:
        raise explain(error, str(path), Described) from None
    for template in (request.prompt, request.chat or ""):
        fields_of(template, str(path))
    for metric in request.metrics:
        _known(metric, CORPUS, f"{path}: metrics")
    choices = request.choices is not None
    return Task(
        name=request.name or path.stem,
        read=_Reader(request, path),
        prompt=request.prompt,
        kind="choices" if choices else "generate",
        rules=() if choices else (_rule(request, path),),
        normalise=request.normalise or "none",
        chat=request.chat,
        system=request.system,
        corpus={name: CORPUS[name] for name in request.metrics},
        labels=tuple(request.labels),
        hub=Hub(**request.hub.model_dump()) if request.hub else None,
        stop=tuple(request.stop),
        max_new_tokens=request.max_new_tokens,
    )


class _Reader:
    """Reads the rows of a described task."""

    def __init__(self, request: Described, path: Path):
        self.request = request
        self.gold = (
            _function(request.answer_extract, EXTRACTORS, f"{path}: answer_extract", path.parent)
            if request.answer_extract
            else None
        )

    def __call__(self, row: Mapping[str, Any]) -> Question:
        said = self.request
        fields = {str(k): str(v) for k, v in row.items() if isinstance(v, str | int | float)}
        if said.context is not None:
            fields["context"] = str(value(row, said.context))
        gold: Any = value(row, said.answer)
        if self.gold is not None:
            gold = self.gold(str(gold))
            if gold is None:
                raise RequestError(
                    f"no answer can be read out of {said.answer}",
                    where=f"{said.answer}: {str(row[said.answer])[:80]!r}",
                    mend="use another answer_extract",
                )
        # Of the row, only what the prompt shows makes the question.
        used = {*fields_of(said.prompt, ""), *fields_of(said.chat or "", ""), "context"}
        asked = {name: text for name, text in fields.items() if name in used}
        options = self._options(row)
        if options:
            gold = _place(gold, options)
        answer = options[gold] if options else str(gold)
        return Question(
            asked,
            tuple(map(str, gold)) if isinstance(gold, list) else gold,
            answer,
            options,
            id=optional(row, said.id) if said.id else None,
            document=optional(row, said.document) if said.document else None,
        )

    def _options(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        choices = self.request.choices
        if choices is None:
            return ()
        if isinstance(choices, str):
            found = value(row, choices)
            if isinstance(found, str | Mapping):
                raise RequestError(
                    f"the column {choices} holds no list of options",
                    where=str(found)[:80],
                    mend="name a column of lists, or one column for each option",
                )
            return tuple(map(str, found))
        if all(choice in row for choice in choices):
            return tuple(str(row[choice]) for choice in choices)
        return tuple(choices)


def _place(gold: Any, options: tuple[str, ...]) -> int:
    if str(gold) in options:
        return options.index(str(gold))
    letters = LETTERS[: len(options)]
    if isinstance(gold, str) and len(gold) == 1 and gold in letters:
        return letters.index(gold)
    if str(gold).isdecimal() and int(gold) < len(options):
        return int(gold)
    raise RequestError(
        f"the answer {gold!r} is none of the choices",
        where="the row's answer",
        mend=f"give a number from 0 to {len(options) - 1}, a letter, or one of {', '.join(options)}",
    )


def _rule(request: Described, path: Path) -> Rule:
    scorer = request.score or ("ignore_case" if request.labels else "exact")
    grade = _function(scorer, SCORERS, f"{path}: score", path.parent)
    if request.labels:
        return Rule("label", first_of(tuple(request.labels)), grade)
    extractor = request.extract or "exact"
    extract = _function(extractor, EXTRACTORS, f"{path}: extract", path.parent)
    return Rule(scorer.rpartition(":")[2], extract, grade)


def _function(name: str, known: Mapping[str, Any], where: str, folder: Path) -> Any:
    if ".py:" not in name:
        return _known(name, known, where)
    found = python_object(name, folder)
    if not callable(found):
        raise RequestError(f"{name} is no function", where=where, mend="name a function")
    return found


def _known(name: str, known: Mapping[str, Any], where: str) -> Any:
    if name not in known:
        raise RequestError(
            f"there is no {name!r}",
            where=where,
            mend=f"{did_you_mean(name, known)}; or FILE.py:FUNCTION",
        )
    return known[name]


class _Loader(yaml.SafeLoader):
    """YAML in which ``yes`` and ``no`` are words, as labels are, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read(path: Path) -> dict[str, Any]:
    try:
        said = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RequestError(
            f"the task cannot be read: {reason}", where=str(path), mend="check the path"
        ) from None
    except yaml.YAMLError as error:
        raise RequestError(
            f"the task is not YAML: {' '.join(str(error).split())[:160]}",
            where=str(path),
            mend="check indentation, colons and quotes near that line",
        ) from None
    if not isinstance(said, dict):
        raise RequestError(
            "the file holds no keys", where=str(path), mend="it needs prompt, answer"
        )
    return said
