"""What a study may claim before it runs: one frozen model for each kind of claim."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from limbeck.recipe.wording import nearest

Label: TypeAlias = str | int | float | bool
Where: TypeAlias = dict[str, Label | list[Label]]
"""Axis to the label, or the labels, that rows must have."""


class Claim(BaseModel):
    """What all hypotheses say; unknown keys are errors.

    Attributes:
        claim: The hypothesis in the reader's words.
        where: Only rows with these labels.
        task: ``all`` tasks (each counts alike), one, or some.
        units: What is counted as independent. ``clusters``: what really repeats (see
            `limbeck.studies.hypotheses.units`). ``cells``: every cell of the grid, as most papers
            have it; cells share baselines and students, so its p values are too small.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    claim: str = Field(min_length=1)
    where: Where = Field(default_factory=dict)
    task: str | list[str] = "all"
    units: Literal["clusters", "cells"] = "clusters"

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            fields = [field.alias or name for name, field in cls.model_fields.items()]
            known = {*fields, *cls.model_fields}
            for key in given:
                if key not in known:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), fields)}")
        return given

    @field_validator("task")
    @classmethod
    def _some(cls, task: str | list[str]) -> str | list[str]:
        if not task:
            raise ValueError("name a task, or leave it out for all")
        return task

    @property
    def sides(self) -> tuple[Where, ...]:
        """The groups of rows that are set against each other; none where there is only one."""
        return ()


class Improvement(Claim):
    """Distilled students score more than fine-tuned ones: the mean improvement is above 0.

    Attributes:
        on: The column whose mean is above 0: a gain over the fine-tuned student.
    """

    kind: Literal["improvement"] = "improvement"
    on: Literal["improvement", "agreement_gain", "fidelity_gain"] = "improvement"


class MethodsDiffer(Claim):
    """Not all of these methods have the same mean.

    Attributes:
        among: The methods; all of the study where nothing is said.
        on: The column that is compared.
    """

    kind: Literal["methods_differ"] = "methods_differ"
    among: list[str] | None = Field(None, min_length=2)
    on: str = "improvement"


class Correlation(Claim):
    """Two columns rise and fall together (Spearman).

    Attributes:
        of: A column.
        with_: Another (``with:`` in the file).
        direction: The sign that is claimed.
        given: Columns that are held fixed.
    """

    kind: Literal["correlation"] = "correlation"
    of: str = "improvement"
    with_: str = Field(alias="with")
    direction: Literal["negative", "positive", "any"] = "any"
    given: list[str] = Field(default_factory=list)

    @model_serializer(mode="wrap")
    def _as_in_the_file(self, handler: Any) -> dict[str, Any]:
        found = handler(self)
        return {("with" if name == "with_" else name): value for name, value in found.items()}

    @model_validator(mode="after")
    def _others(self) -> "Correlation":
        named = [self.of, self.with_, *self.given]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice:
            raise ValueError(f"{twice} cannot be correlated with itself")
        return self


class Paired(Claim):
    """What sets two sides against each other.

    Attributes:
        a: Labels of one side's rows.
        b: Labels of the other's. Both are paired over tasks, seeds and all axes not named here.
        on: The column that is compared.
    """

    a: Where = Field(min_length=1)
    b: Where = Field(min_length=1)
    on: str = "score"

    @model_validator(mode="after")
    def _two(self) -> "Paired":
        if self.a == self.b:
            raise ValueError("a and b are the same rows")
        return self

    @property
    def sides(self) -> tuple[Where, ...]:
        """Both sides."""
        return self.a, self.b


class Better(Paired):
    """Side a is better than side b by more than ``by``."""

    kind: Literal["better"] = "better"
    by: float = Field(0.0, ge=0)


class NoDifference(Paired):
    """The sides differ by less than ``within``, either way: two one-sided tests (TOST)."""

    kind: Literal["no_difference"] = "no_difference"
    within: float = Field(gt=0)


class Order(Claim):
    """Each of these sides is better than the next one.

    Attributes:
        best_first: Labels of each side's rows.
        on: The column that is compared.
    """

    kind: Literal["order"] = "order"
    best_first: list[Where] = Field(min_length=2)
    on: str = "score"

    @model_validator(mode="after")
    def _apart(self) -> "Order":
        for place, side in enumerate(self.best_first):
            if not side:
                raise ValueError("every place of best_first names an axis and its label")
            if side in self.best_first[:place]:
                raise ValueError(f"{side} stands twice in best_first")
        return self

    @property
    def sides(self) -> tuple[Where, ...]:
        """All places."""
        return tuple(self.best_first)


class Interaction(Paired):
    """Side a's lead over side b is larger in one place than in another.

    Attributes:
        more_in: Labels of the rows where the lead is larger.
        less_in: Labels of those where it is smaller.
    """

    kind: Literal["interaction"] = "interaction"
    more_in: Where = Field(min_length=1)
    less_in: Where = Field(min_length=1)

    @model_validator(mode="after")
    def _places(self) -> "Interaction":
        if self.more_in == self.less_in:
            raise ValueError("more_in and less_in are the same rows")
        twice = {*self.a, *self.b} & {*self.more_in, *self.less_in}
        if twice:
            raise ValueError(
                f"{min(twice)} tells the sides apart, and cannot tell the places apart"
            )
        return self

    @property
    def sides(self) -> tuple[Where, ...]:
        """Both, in the one place and then in the other."""
        return tuple(
            side | place for place in (self.more_in, self.less_in) for side in (self.a, self.b)
        )


class NonInferior(Claim):
    """Students score less by no more than a margin.

    Attributes:
        to: Than the teacher, the fine-tuned student, or the student before any training.
        margin: The share that may be lost; 0 claims that they score more.
    """

    OTHERS: ClassVar = {"teacher": "teacher_score", "sft": "sft_score", "before": "before_score"}

    kind: Literal["non_inferior"] = "non_inferior"
    to: Literal["teacher", "sft", "before"] = "teacher"
    margin: float = Field(ge=0)


Hypothesis: TypeAlias = Annotated[
    Improvement
    | MethodsDiffer
    | Correlation
    | Better
    | Interaction
    | Order
    | NonInferior
    | NoDifference,
    Field(discriminator="kind"),
]
