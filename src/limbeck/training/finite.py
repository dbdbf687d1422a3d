"""A loss that is no number any more: who did it, in which rows, and the batch on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.files import new_folder, write_json
from limbeck.methods import Step
from limbeck.targets import Target


def not_finite(
    folder: Path,
    step: Step,
    training: bool,
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
        training: Whether this is a training step, and not an evaluation between two.
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
    every = torch.ones(len(hidden), dtype=torch.bool, device=hidden.device)
    culprit, bad = next(
        (
            (name, found)
            for name, values in suspects.items()
            if values is not None and (found := _not_finite_rows(values)).any()
        ),
        ("the sum of the loss", every),
    )
    sequences = where.nonzero()[bad, 0].unique()
    rows = batch["example"][sequences].tolist()
    data = "training" if training else "validation"
    when = f"optimiser step {step.index + 1}"
    kept = folder / "not_finite" / f"step-{step.index + 1}-rank-{step.rank}"
    if not training:
        when = f"the evaluation after step {step.index}"
        kept = folder / "not_finite" / f"evaluation-{step.index}-rank-{step.rank}"
    evidence = {**batch, "student_hidden": hidden, "teacher_hidden": taught, **terms}
    about = {
        "what": culprit,
        "when": when,
        "sequences_of_the_batch": sequences.tolist(),
        f"rows_of_the_{data}_data": rows,
    }
    with new_folder(kept) as place:
        tensors = {k: v.detach().cpu().contiguous() for k, v in evidence.items() if v is not None}
        save_file(tensors, str(place / "batch.safetensors"))
        write_json(place / "about.json", about)
    some = ", ".join(map(str, rows[:8])) + (", ..." if len(rows) > 8 else "")
    return LimbeckError(
        f"training stops: NaN or infinity in {culprit}",
        where=f"{when}, rows {some} of the {data} data; the batch was kept in {kept}",
        mend="look at those rows; lower training.learning_rate or set training.max_grad_norm; "
        "with float16, train in bfloat16. The run goes on from its last checkpoint",
    )


def _not_finite_rows(values: Tensor) -> Tensor:
    return ~values.detach().reshape(len(values), -1).isfinite().all(-1)
