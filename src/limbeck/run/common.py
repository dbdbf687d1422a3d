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
from limbeck.run.folder import Common, RunFolder

_NEVER = ("output", "method", "controls", "diagnosis", "prompts", "corpus")
_OF_TRAINING = (*_NEVER, "generation", "evaluate", "baseline")


def teacher(folder: RunFolder, bench: Bench) -> Common:
    """Its fine-tuning: neither the student nor how it is trained matters."""
    unlike = (*_OF_TRAINING, "student", "training")
    key = _key("teacher", folder, bench, unlike, ("teacher", "data"), bench.teacher)
    return Common(key, ["teacher", "teacher-path"])


def start(folder: RunFolder, bench: Bench) -> Common:
    """The student's fine-tuning before its distillation."""
    unlike = (*_OF_TRAINING, "teacher", "training")
    key = _key("start", folder, bench, unlike, ("student", "data"), bench.student)
    return Common(key, ["start"])


def baseline(folder: RunFolder, bench: Bench, steps: int) -> Common:
    """Plain fine-tuning for so many steps: no teacher matters."""
    unlike = (*_OF_TRAINING, "teacher")
    key = _key("sft", folder, bench, unlike, ("student", "data"), bench.student, steps)
    return Common(key, ["arms/sft"])


def measured(folder: RunFolder, bench: Bench, arm: str, longest: int) -> Common | None:
    """Scores of a model that the method has not touched; None for the others."""
    if arm not in ("teacher", "before", "sft"):
        return None
    trained = folder.done("train sft") if arm == "sft" else None
    steps = trained["steps"] if trained else None
    unlike = (*_NEVER, "generation", "baseline", *(() if arm == "sft" else ("training",)))
    hashes = ("student", "teacher", "data")
    key = _key(arm, folder, bench, unlike, hashes, bench.student, steps, longest)
    return Common(key, [f"items/{arm}.*"])


def _key(
    what: str,
    folder: RunFolder,
    bench: Bench,
    unlike: Iterable[str],
    hashes: Iterable[str],
    side: Side | None,
    *more: Any,
) -> str:
    but: dict[str, Any] = {"teacher": {"noise"}, **dict.fromkeys(unlike, True)}
    recipe = bench.recipe.model_dump(mode="json", exclude=but)
    known = folder.manifest["hashes"]
    content = {name: known.get(name) for name in hashes}
    version = folder.manifest["limbeck"]
    words = json.dumps(recipe, sort_keys=True)
    return digest(what, version, words, content, bench.max_length, _tokenizer(side), *more)


def _tokenizer(side: Side | None) -> str:
    if side is None:
        return ""
    tokenizer = side.tokenizer
    vocabulary = sorted(tokenizer.get_vocab().items())
    return digest(vocabulary, tokenizer.chat_template, sorted(side.ends))
