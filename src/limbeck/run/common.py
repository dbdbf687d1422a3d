"""What the stages of a run depend on, for those that other runs have in common with it.

A stage depends on everything in its recipe but what is named here as not touching it, on the
content of models and data, and on this version of the package. So a key that is too strict costs
work that could have been shared, and never gives a run what is not its own.
"""

import json
from collections.abc import Iterable
from typing import Any

from limbeck.bench import Bench, Side
from limbeck.files import digest
from limbeck.recipe import Recipe
from limbeck.run.folder import Common, RunFolder

_NEVER = ("output", "method", "controls", "diagnosis", "prompts", "corpus")
_OF_TRAINING = (*_NEVER, "generation", "evaluate", "baseline")
_OF_SCORES = (*_NEVER, "generation", "baseline")

_STARTED = ("student", "student.sft.data", "data")

UNLIKE = {
    "train teacher": (*_OF_TRAINING, "student", "training"),
    "train start": (*_OF_TRAINING, "teacher", "training"),
    "train sft": (*_OF_TRAINING, "teacher"),
    "evaluate teacher": (*_OF_SCORES, "training"),
    "evaluate before": (*_OF_SCORES, "training"),
    "evaluate sft": _OF_SCORES,
}
"""Stages that runs have in common, and the sections of a recipe that they do not depend on."""


def teacher(folder: RunFolder, bench: Bench) -> Common:
    """Its fine-tuning: neither the student nor how it is trained matters."""
    key = _key(
        "train teacher", folder, bench, ("teacher", "teacher.sft.data", "data"), bench.teacher
    )
    return Common(key, ["teacher", "teacher-path"])


def start(folder: RunFolder, bench: Bench) -> Common:
    """The student's fine-tuning before its distillation."""
    key = _key("train start", folder, bench, _STARTED, bench.student)
    return Common(key, ["start"])


def baseline(folder: RunFolder, bench: Bench, steps: int) -> Common:
    """Plain fine-tuning for so many steps: no teacher matters."""
    key = _key("train sft", folder, bench, _STARTED, bench.student, steps)
    return Common(key, ["arms/sft"])


def measured(folder: RunFolder, bench: Bench, arm: str, longest: int) -> Common | None:
    """Scores of a model that the method has not touched; None for the others.

    A teacher that explains is asked with prompts of its method.
    """
    if arm not in ("teacher", "before", "sft") or (arm == "teacher" and bench.method.tutors):
        return None
    return Common(_of_model(folder, bench, arm, longest), [f"items/{arm}.*"])


def asked(folder: RunFolder, bench: Bench, arm: str) -> str | None:
    """The key of what such a model made of the benchmark tasks."""
    if arm not in ("teacher", "before", "sft"):
        return None
    return _of_model(folder, bench, arm, "tasks")


def _of_model(folder: RunFolder, bench: Bench, arm: str, *more: Any) -> str:
    trained = folder.done("train sft") if arm == "sft" else None
    steps = trained["steps"] if trained else None
    hashes = (*_STARTED, "teacher", "teacher.sft.data", "tasks")
    return _key(f"evaluate {arm}", folder, bench, hashes, bench.student, steps, *more)


def said(recipe: Recipe, stage: str) -> str:
    """What a recipe says that a stage depends on."""
    but: dict[str, Any] = {"teacher": {"noise"}, **dict.fromkeys(UNLIKE[stage], True)}
    return json.dumps(recipe.model_dump(mode="json", exclude=but), sort_keys=True)


def _key(
    stage: str,
    folder: RunFolder,
    bench: Bench,
    hashes: Iterable[str],
    side: Side | None,
    *more: Any,
) -> str:
    known = folder.manifest["hashes"]
    content = {name: known.get(name) for name in hashes}
    version = folder.manifest["limbeck"]
    words = said(bench.recipe, stage)
    return digest(stage, version, words, content, bench.max_length, _tokenizer(side), *more)


def _tokenizer(side: Side | None) -> str:
    if side is None:
        return ""
    tokenizer = side.tokenizer
    vocabulary = sorted(tokenizer.get_vocab().items())
    return digest(vocabulary, tokenizer.chat_template, sorted(side.ends))
