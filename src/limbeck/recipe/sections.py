"""The sections of a recipe: what each key means, and what it may be."""

from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from limbeck.data import DataSpec
from limbeck.engines import Sampling
from limbeck.methods import Method
from limbeck.recipe.method import build_method


class Section(BaseModel):
    """A part of a recipe: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def changed(self, *keys: str) -> list[str]:
        """Those of these keys that are not at their default."""
        fields = type(self).model_fields
        return [
            k for k in keys if getattr(self, k) != fields[k].get_default(call_default_factory=True)
        ]


class FineTuning(Section):
    """Fine-tune a model before the distillation.

    Attributes:
        data: What to train it on; the run's own rows with completions where nothing is said. Rows
            whose prompt occurs in the run's data are left out for a teacher, so that it never saw
            what it answers; for a student, those whose prompt is held out.
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


class Limits(Section):
    """What a server's answers may cost in all.

    Attributes:
        tokens: Most tokens, prompts and answers together, as the server counts them.
        money: Most money, in the currency of the prices.
    """

    tokens: int | None = Field(None, gt=0)
    money: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _some(self) -> "Limits":
        if self.tokens is None and self.money is None:
            raise ValueError("give tokens:, money:, or both")
        return self


class Prices(Section):
    """What a million tokens of prompts and of answers cost."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


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
        lora: Train an adapter of this form (students; teachers with ``sft``).
        sft: Fine-tune first.
        keep_checkpoints: Keep so many evenly spaced checkpoints of that fine-tuning (teachers).
        checkpoints: Folder with the checkpoints of a fine-tuning done elsewhere: models, or
            adapters on ``model`` (teachers).
        cache: Folder of a teacher cache that the loss reads instead of asking the model (teachers);
            with ``model`` as well, the evaluation can score the teacher.
        dtype: Of the weights in memory; ``auto`` is as stored. Students are float32 by default.
        noise: Standard deviation of normal noise on the logits that a student imitates (teachers;
            for studies of how much of the signal it needs). What is written and measured has none.
        trust_remote_code: Let the model folder run its own code.
        server: Base URL of an OpenAI-compatible API that answers for ``model``, which is then the
            name that it has there (teachers).
        concurrency: Requests to the server that are in flight at once; 8 by default.
        timeout_seconds: Longest time that one attempt at a request may take; 60 by default.
        budget: What its answers may cost; the run stops there, and goes on when it is raised.
        prices: What they cost.
    """

    ASKING: ClassVar = frozenset({"server", "concurrency", "timeout_seconds", "budget", "prices"})
    """Keys that say how a server is asked, and change nothing in what it answers."""

    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    layers: list[int] | Literal["every_second"] | None = None
    fresh: bool = False
    config: dict[str, Any] | None = None
    tokenizer: str | None = None
    lora: Lora | None = None
    sft: FineTuning | None = None
    keep_checkpoints: int | None = Field(None, ge=2)
    checkpoints: str | None = None
    cache: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    noise: float | None = Field(None, gt=0)
    trust_remote_code: bool = False
    server: str | None = None
    concurrency: int | None = Field(None, gt=0)
    timeout_seconds: float | None = Field(None, gt=0)
    budget: Limits | None = None
    prices: Prices | None = None

    @property
    def has_weights(self) -> bool:
        """Whether this names a model to load, and not only one that can be asked, or was."""
        if self.server is not None:
            return False
        named = self.model is not None or self.checkpoints is not None
        return named or bool(self.config and "model_type" in self.config)

    @property
    def has_path(self) -> bool:
        """Whether there are, or will be, checkpoints of this model's fine-tuning."""
        return self.checkpoints is not None or self.keep_checkpoints is not None

    def saved(self, folder: Path) -> "ModelSpec":
        """A model made from this one, in a folder, to be loaded in the same way."""
        return ModelSpec(
            model=str(folder), dtype=self.dtype, trust_remote_code=self.trust_remote_code
        )

    @property
    def untuned(self) -> "ModelSpec":
        """This model without any fine-tuning: what adapters are put on."""
        here = ("sft", "lora", "keep_checkpoints", "checkpoints")
        return self.model_copy(update=dict.fromkeys(here))

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"model": value}
        if isinstance(value, dict) and value.get("server") is not None:
            return {"concurrency": 8, "timeout_seconds": 60.0, **value}
        return value

    @model_validator(mode="after")
    def _sensible(self) -> "ModelSpec":
        if not self.has_weights and self.cache is None and self.server is None:
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
    """How teacher and student write text; names as in transformers' ``GenerationConfig``.

    Attributes:
        num_return_sequences: Answers to each prompt, where the teacher writes before training.
        only_correct: Learn only from those that the data's verifier accepts.
    """

    engine: Literal["transformers", "vllm"] = "transformers"
    max_new_tokens: int = Field(256, gt=0)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    num_beams: int = Field(1, gt=0)
    num_return_sequences: int = Field(1, gt=0)
    only_correct: bool = False
    batch_size: int = Field(64, gt=0)

    def sampling(self) -> Sampling:
        """For an engine."""
        others = {"engine", "num_return_sequences", "only_correct"}
        return Sampling(**self.model_dump(exclude=others))


class Evaluate(Section):
    """How the models are compared on held-out rows; a list is one of tasks.

    Attributes:
        max_items: Evaluate at most so many, those with the smallest prompt hash.
        max_new_tokens: Longest answer, decoded greedily; by default ``generation.max_new_tokens``.
        batch_size: Items at once.
        samples: Further answers, drawn at temperature 1, to each of some items: how varied a model
            is, and how much the teacher agrees with itself. 0 draws none.
        sampled_items: To how many items.
        validation: Score the student on the validation rows, too: what settings are chosen by.
        tasks: Benchmarks that every model is scored on besides, as ``limbeck eval`` knows them:
            ``gsm8k``, ``gsm8k=FILE``, ``mine.yaml=FILE``, ``harness:mmlu``.
        task_items: At most so many items of each.
        shots: Worked examples before each question of a task.
        judges: Who compares the student's answers to open tasks (``alpaca_eval``) with the
            baseline's: ``MODEL@URL``, hub ids or folders. The first gives the result.
    """

    max_items: int = Field(1000, gt=0)
    max_new_tokens: int | None = Field(None, gt=0)
    batch_size: int = Field(64, gt=0)
    samples: int = Field(4, ge=0)
    sampled_items: int = Field(64, gt=0)
    validation: bool = False
    tasks: list[str] = Field(default_factory=list)
    task_items: int | None = Field(None, gt=0)
    shots: int = Field(0, ge=0)
    judges: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"tasks": value} if isinstance(value, list) else value


Control = Literal["gold", "labelled", "longer", "resample", "shuffled", "blind"]


class Recipe(Section):
    """Student, teacher, data and method, and how to train, write and compare.

    Attributes:
        student: The model to train.
        teacher: The model to learn from.
        data: What to learn on, and what to compare on.
        corpus: Plain text for a language-modelling term.
        diagnosis: Problems whose attempts a rewriting teacher is shown; by default some of the
            validation rows.
        prompts: What such a teacher is told: ``maths``, ``commonsense``, or a folder of templates.
        method: How to learn; a name, or a mapping with options.
        output: Folder of the run.
        baseline: Whether to train a student on the labelled rows, to compare with.
        controls: Train further students that say where a gain comes from: all that are possible,
            or those named.
        seed: Of weights, order and samples.
        matmul_precision: Of matrix products on a GPU.
        training: Training arguments.
        generation: How text is written.
        evaluate: How models are compared.
    """

    student: ModelSpec
    teacher: ModelSpec | None = None
    data: DataSpec
    corpus: DataSpec | None = None
    diagnosis: DataSpec | None = None
    prompts: str = Field("maths", min_length=1)
    method: dict[str, Any]
    output: str = Field(min_length=1)
    baseline: Literal["sft", "none"] = "sft"
    controls: bool | list[Control] = False
    seed: int = 0
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    training: dict[str, Any] = Field(default_factory=dict)
    generation: Generation = Field(default_factory=Generation)
    evaluate: Evaluate = Field(default_factory=Evaluate)

    @field_validator("baseline", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return "none" if value is None else value

    @field_validator("controls", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        names = get_args(Control)
        if isinstance(value, bool) or (isinstance(value, list) and set(value) <= set(names)):
            return value
        raise ValueError(f"give true, false, or a list of {', '.join(names)}")

    @field_validator("method", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, dict):
            raise ValueError(
                "give the name of a method, or a mapping such as {name: kd, lmbda: 0.5}"
            )
        return value

    def build_method(self) -> Method:
        """The method with its options."""
        return build_method(self.method)

    def to_yaml(self) -> str:
        """The resolved recipe, readable by `load_recipe`."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False)
