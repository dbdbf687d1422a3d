"""Losses of rows under models that were not trained on them: three folds, each by the others."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from limbeck.bench import Bench
from limbeck.files import write_json
from limbeck.models import load_model
from limbeck.ranks import rank
from limbeck.recipe import FineTuning, ModelSpec
from limbeck.run.folder import RunFolder
from limbeck.run.probe import nats_of_each
from limbeck.run.trajectory import Trajectory
from limbeck.run.tuning import Tuning, kept_name, tuned
from limbeck.sources import seed_for

FOLDS = 3


def losses_out_of_fold(
    folder: RunFolder, bench: Bench, side: Literal["student", "teacher"]
) -> list[list[float]]:
    """Nats a token of each labelled training row, in order, under models that never saw it.

    Of the student there is one model a fold, fine-tuned as the recipe says; of the teacher, as many
    as checkpoints are kept, for each at the same fraction of its fine-tuning. All processes must
    come here together the first time.

    Returns:
        A list for each checkpoint (one for the student), an entry for each labelled row.
    """
    path = folder / "folds" / f"{side}.json"

    def work() -> dict[str, Any]:
        found = _measure(folder, bench, side)
        if rank() == 0:
            write_json(path, found)
        return {"checkpoints": len(found), "rows": len(found[0])}

    folder.once(f"losses out of fold, {side}", work, everywhere=True)
    if rank() == 0:
        for models in folder.path.glob(f"fold-{side}-*"):
            shutil.rmtree(models)
    found: list[list[float]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _measure(folder: RunFolder, bench: Bench, side: str) -> list[list[float]]:
    rows = [s for s in bench.sequences["train"] if s.completion]
    fold = {s.example: i % FOLDS for i, s in enumerate(rows)}
    losses: list[dict[int, float]] = []
    for f in range(FOLDS):
        models = _models(folder, bench, side, {e for e, own in fold.items() if own == f}, f)
        held_out = [s for s in rows if fold[s.example] == f]
        losses = losses or [{} for _ in models]
        for known, spec in zip(losses, models, strict=True):
            tokenizer = bench.student.tokenizer
            model = load_model(spec, side, tokenizer, bench.recipe.seed, "float32")
            nats = nats_of_each(bench, model, held_out, f"{side}, fold {f + 1}")
            known.update((s.example, n) for s, n in zip(held_out, nats, strict=True))
    return [[known[s.example] for s in rows] for known in losses]


def _models(
    folder: RunFolder, bench: Bench, side: str, left_out: set[int], fold: int
) -> list[ModelSpec]:
    """The models of one fold: fine-tuned without some of the rows."""
    recipe = bench.recipe
    spec = recipe.student if side == "student" else recipe.teacher
    assert spec is not None
    assert spec.sft is not None or side == "student"
    examples = bench.examples
    kept = [e for i, e in enumerate(examples.train) if i not in left_out]
    unseen = [*examples.test, *(e for i, e in enumerate(examples.train) if i in left_out)]
    without = replace(bench, examples=replace(examples, train=kept, test=unseen))
    place = f"fold-{side}-{fold}"
    known: Any = bench.student if side == "student" else bench.teacher
    tuned_as = spec.sft or FineTuning(training=recipe.training)
    trained = spec.model_copy(update={"sft": tuned_as})
    seed = recipe.seed if side == "student" else seed_for("teacher", recipe.seed)
    apart = ("validation", "test")
    tuning = Tuning(side, place, trained, known, seed, apart, path=f"{place}-path")
    tuned(folder, without, tuning)
    if side == "student":
        return [spec.saved(folder / place)]
    count = spec.keep_checkpoints or 0
    folders = [folder / tuning.path / kept_name(i) for i in range(1, count + 1)]
    path = Trajectory(folder, bench, [Path(p) for p in folders], spec.untuned, "float32")
    return [path.spec(k) for k in range(len(path))]
