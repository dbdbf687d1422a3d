"""Fine-tuning a model of a run before anything is distilled: the teacher, the student, or both."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from limbeck.bench import Bench, Side, ids
from limbeck.console import Advance, progress, say
from limbeck.data import DataSpec, Examples, load_examples
from limbeck.data import Sequence as Row
from limbeck.errors import RequestError
from limbeck.methods import SFT
from limbeck.models import add_lora, load_model
from limbeck.ranks import rank
from limbeck.recipe import ModelSpec
from limbeck.run.folder import Common, RunFolder
from limbeck.run.saving import as_result, plain, save
from limbeck.training import arguments, fit

VALIDATION = 500
PATH = "teacher-path"  # where the checkpoints of a teacher's fine-tuning are kept


@dataclass(frozen=True)
class Tuning:
    """One fine-tuning.

    Attributes:
        side: ``student`` or ``teacher``, for messages.
        folder: Where the finished model goes, below the run's folder; also the stage's name.
        spec: The model, with its ``sft``.
        known: What is known of it before it is loaded.
        seed: Of new weights.
        apart: Splits of the run whose prompts it must not see.
        path: Where the checkpoints that it keeps go, below the run's folder.
    """

    side: str
    folder: str
    spec: ModelSpec
    known: Side
    seed: int
    apart: tuple[str, ...]
    path: str = PATH


def tuned(
    folder: RunFolder, bench: Bench, tuning: Tuning, common: Common | None = None
) -> dict[str, Any]:
    """Fine-tune a model once, going on from wherever it was interrupted.

    Args:
        folder: The run's.
        bench: Its data.
        tuning: What is fine-tuned.
        common: What it depends on, where other runs may share it.

    Returns:
        How the training went.
    """
    result = folder.once(
        f"train {tuning.folder}", lambda: _tune(folder, bench, tuning), True, common
    )
    if rank() == 0:
        shutil.rmtree(folder / "checkpoints" / tuning.folder, ignore_errors=True)
    return result


def kept_steps(total: int, count: int) -> list[int]:
    """After which of ``total`` optimiser steps ``count`` checkpoints are kept, the last included.

    Raises:
        RequestError: There are fewer steps than checkpoints.
    """
    if total < count:
        raise RequestError(
            f"the fine-tuning has {total} steps, and {count} checkpoints of it are to be kept",
            where="teacher.keep_checkpoints",
            mend="train for more steps (teacher.sft.training), or keep fewer checkpoints",
        )
    return [round(i * total / count) for i in range(1, count + 1)]


def kept_name(number: int) -> str:
    """Folder of the ``number``-th kept checkpoint, counted from 1."""
    return f"{number:02}"


def _tune(folder: RunFolder, bench: Bench, tuning: Tuning) -> dict[str, Any]:
    recipe, tokenizer, spec = bench.recipe, tuning.known.tokenizer, tuning.spec
    assert spec.sft is not None
    train, validation, left_out = _rows(bench, tuning)
    args = arguments(
        spec.sft.training, folder / "checkpoints" / tuning.folder, recipe.seed, len(train)
    )
    steps = kept_steps(args.max_steps, spec.keep_checkpoints) if spec.keep_checkpoints else []
    model: Any = load_model(spec, tuning.side, tokenizer, tuning.seed, "float32")
    if spec.lora is not None:
        model = add_lora(model, spec.lora, tuning.seed)
    keep = partial(save, model, tokenizer)
    with progress(f"training {tuning.folder}", args.max_steps, "steps") as advance:
        done = fit(
            model,
            SFT(),
            args,
            train,
            validation[:VALIDATION],
            tokenizer,
            None,
            recipe.generation.sampling(),
            _keeping(advance, steps, folder / tuning.path, keep),
        )
    save(plain(model), tokenizer, folder / tuning.folder)
    return {**as_result(done), "left_out_rows": left_out, "kept_steps": steps}


def _keeping(
    advance: Advance, steps: Sequence[int], folder: Path, keep: Callable[[Path], None]
) -> Advance:
    """An ``advance`` that also keeps the model after certain steps.

    A step is told before the Trainer writes its own checkpoint of it. So whatever step a killed
    training goes on from, what was to be kept until then is there; a later one is written again,
    from the same weights.
    """
    done = 0

    def advance_and_keep(count: int = 1, note: str = "") -> None:
        nonlocal done
        done += count
        if done in steps:
            keep(folder / kept_name(steps.index(done) + 1))
        advance(count, note=note)

    return advance_and_keep


def _rows(bench: Bench, tuning: Tuning) -> tuple[list[Row], list[Row], int]:
    """Rows to train on and to validate with, and how many were left out for their prompt."""
    assert tuning.spec.sft is not None
    data, removed = tuning.spec.sft.data, 0
    examples = bench.examples
    if data is not None:
        examples, removed = _apart(bench, data, tuning.apart)
    splits = []
    for rows in (examples.train, examples.validation):
        sequences, _ = ids(
            rows, examples.kind, data or bench.recipe.data, tuning.known, bench.max_length
        )
        splits.append([s for s in sequences if s.completion])
    if not splits[0]:
        raise RequestError(
            f"there is nothing to fine-tune the {tuning.side} on",
            where=f"{tuning.side}.sft.data",
            mend="name data with completions that the run's own data does not hold",
        )
    if removed:
        whose = "the student's data holds" if "train" in tuning.apart else "are held out"
        say(f"{tuning.side}: left out {removed} rows whose prompts {whose}")
    return splits[0], splits[1], removed


def _apart(bench: Bench, data: DataSpec, splits: tuple[str, ...]) -> tuple[Examples, int]:
    """Other data without the prompts of some of the run's splits, and how many rows those were.

    A teacher would recite the gold answers of prompts that it is said to answer itself; and a model
    that was trained on held-out prompts has a score that means nothing.
    """
    examples = load_examples(data)
    taken = {e.key for split in splits for e in getattr(bench.examples, split)}
    kept = [e for e in examples.train if e.key not in taken]
    validation = [e for e in examples.validation if e.key not in taken]
    removed = len(examples.train) - len(kept) + len(examples.validation) - len(validation)
    apart = replace(examples, train=kept, validation=validation, test=[])
    return apart, removed
