"""A recipe as a whole: training arguments, and keys of the models that contradict one another."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from limbeck.errors import RequestError
from limbeck.methods import Method
from limbeck.recipe.fitting import check_cache, check_fit
from limbeck.recipe.sections import ModelSpec, Recipe
from limbeck.recipe.served import check_served
from limbeck.recipe.wording import close_only, explain

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
# Known without asking transformers, whose training arguments take seconds to import.
USUAL = {
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "optim",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "bf16",
    "fp16",
    "logging_steps",
    "eval_steps",
    "eval_strategy",
    "save_steps",
    "save_total_limit",
    "report_to",
    "use_cpu",
    "dataloader_num_workers",
}
_POSITIVE = ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps")


def parse_recipe(request: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Check a recipe given as a mapping.

    Raises:
        RequestError: A key is unknown, missing, of the wrong type, out of range or unused.
    """
    try:
        recipe = Recipe.model_validate(dict(request))
    except ValidationError as error:
        raise explain(error, where, Recipe) from None
    method = recipe.build_method()
    _check_training(recipe.training, "training")
    for side, spec in (("student", recipe.student), ("teacher", recipe.teacher)):
        if spec is not None and spec.sft is not None:
            _check_training(spec.sft.training, f"{side}.sft.training")
    check_served(recipe, method)
    _check_noise(recipe, method)
    check_fit(recipe, method)
    _check_student(recipe.student)
    if recipe.teacher is not None:
        _check_teacher(recipe.teacher)
    check_cache(recipe, method)
    return recipe


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
    rarer = [key for key in training if key not in USUAL]
    if not rarer:
        return
    from transformers import TrainingArguments

    known = TrainingArguments.__dataclass_fields__
    for key in rarer:
        if key not in known:
            raise RequestError(
                f"there is no training argument {key!r}",
                where=f"{where}.{key}",
                mend=close_only(key, known),
            )


def _check_student(student: ModelSpec) -> None:
    mends = {
        "adapter": "merge it into its base, and name that folder as the student",
        "cache": "the cache is what a teacher said: teacher: {cache: FOLDER}",
        "checkpoints": "name one of them as the student",
        "keep_checkpoints": "the path of a teacher can be kept: teacher.keep_checkpoints",
    }
    for key, mend in mends.items():
        if getattr(student, key) is not None:
            raise RequestError(f"student.{key} is not used", where=f"student.{key}", mend=mend)


def _check_noise(recipe: Recipe, method: Method) -> None:
    if recipe.student.noise is not None:
        raise RequestError(
            "noise disturbs what a teacher shows", where="student.noise", mend="set teacher.noise"
        )
    teacher = recipe.teacher
    if teacher is None or teacher.noise is None:
        return
    name = recipe.method["name"]
    reasons = {
        f"the method {name} asks no teacher for probabilities": not method.imitates,
        f"the method {name} follows checkpoints, which are not disturbed": method.needs_path,
        "a cache holds what was said without noise": teacher.cache is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise RequestError(reason, where="teacher.noise", mend="leave teacher.noise out")


def _check_teacher(teacher: ModelSpec) -> None:
    if teacher.checkpoints is not None:
        for key in ("keep_checkpoints", "sft", "lora", "adapter", "cache", "layers", "fresh"):
            if getattr(teacher, key) not in (None, False):
                raise RequestError(
                    "checkpoints are of a fine-tuning done elsewhere, and used as they are",
                    where=f"teacher.{key}",
                    mend=f"leave out teacher.{key}, or teacher.checkpoints",
                )
    if teacher.sft is None and teacher.keep_checkpoints is not None:
        raise RequestError(
            "checkpoints of a fine-tuning are to be kept, and there is none",
            where="teacher.keep_checkpoints",
            mend="add teacher.sft, or name a folder of checkpoints: teacher: {checkpoints: FOLDER}",
        )
    steps = teacher.sft.training.get("max_steps") if teacher.sft else None
    if isinstance(steps, int) and 0 < steps < (teacher.keep_checkpoints or 0):
        raise RequestError(
            f"the fine-tuning has {steps} steps, and {teacher.keep_checkpoints} checkpoints of it "
            "are to be kept",
            where="teacher.keep_checkpoints",
            mend="train for more steps (teacher.sft.training), or keep fewer checkpoints",
        )
    if teacher.sft is None and teacher.lora is not None:
        raise RequestError(
            "lora trains an adapter, and this teacher is not trained",
            where="teacher.lora",
            mend="add teacher.sft, or put a finished adapter on it: teacher.adapter",
        )
