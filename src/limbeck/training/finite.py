"""A loss that is no number any more: who did it, in which rows, and the batch on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.files import new_folder, write_json
from limbeck.methods import Step
from limbeck.targets import Target


def not_finite(
    folder: Path,
    step: Step,
    batch: Mapping[str, Any],
    where: Tensor,
    hidden: Tensor,
    target: Target | None,
    terms: Mapping[str, Tensor],
) -> LimbeckError:
    """Find the culprit and keep the evidence, before the optimiser spoils the weights.

    Args:
        folder: The evidence goes into a folder below it.
        step: Where training stands.
        batch: The micro-batch.
        where: Its supervised positions, ``[B, T - 1]``.
        hidden: The student's hidden states there, ``[N, H]``.
        target: The teacher's target there.
        terms: The loss of each token, ``{name: [N]}``.
    """
    taught = getattr(target, "hidden", None)
    suspects = {
        "the student's hidden states": hidden,
        "the teacher's hidden states": taught,
        **{f"the loss {name!r}": values for name, values in terms.items()},
    }
    culprit, bad = next(
        (name, found)
        for name, values in suspects.items()
        if values is not None and (found := _not_finite_rows(values)).any()
    )
    sequences = where.nonzero()[bad, 0].unique()
    rows = batch["example"][sequences].tolist()
    kept = folder / "not_finite" / f"step-{step.index + 1}-rank-{step.rank}"
    evidence = {**batch, "student_hidden": hidden, "teacher_hidden": taught, **terms}
    about = {
        "what": culprit,
        "optimiser_step": step.index + 1,
        "sequences_of_the_batch": sequences.tolist(),
        "rows_of_the_training_data": rows,
    }
    with new_folder(kept) as place:
        tensors = {k: v.detach().cpu().contiguous() for k, v in evidence.items() if v is not None}
        save_file(tensors, str(place / "batch.safetensors"))
        write_json(place / "about.json", about)
    some = ", ".join(map(str, rows[:8])) + (", ..." if len(rows) > 8 else "")
    return LimbeckError(
        f"training stops: NaN or infinity in {culprit}",
        where=f"optimiser step {step.index + 1}, rows {some} of the training data; "
        f"the batch was kept in {kept}",
        mend="look at those rows; lower training.learning_rate or set training.max_grad_norm; "
        "with float16, train in bfloat16. The run goes on from its last checkpoint",
    )


def _not_finite_rows(values: Tensor) -> Tensor:
    return ~values.detach().reshape(len(values), -1).isfinite().all(-1)
