"""Do the training arguments fit together and this machine?"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from limbeck.bench import Bench
from limbeck.doctor.finding import Finding


def precision(bench: Bench) -> Iterator[Finding]:
    """Has this machine the units that ``matmul_precision`` asks for?"""
    import torch

    asked = bench.recipe.matmul_precision
    if asked == "highest" or torch.accelerator.is_available():
        return
    units = torch.cpu.get_capabilities()
    if not (units.get("amx_bf16") or units.get("avx512_bf16")):
        yield Finding(
            "precision",
            "note",
            f"matmul_precision: {asked} will change nothing",
            "this processor has no matrix units for bfloat16 (AMX or AVX-512 BF16)",
        )


def kernels(bench: Bench) -> Iterator[Finding]:
    """Can the row kernels that the environment asks for run here?"""
    from limbeck.divergences import row_kernels
    from limbeck.models import device

    try:
        row_kernels(device())
    except ValueError as error:
        what, _, mend = str(error).partition(": ")
        yield Finding("kernels", "fail", what, "the loss could not be computed", mend)


def training(bench: Bench) -> Iterator[Finding]:
    """Build the arguments once; transformers knows what contradicts what."""
    from transformers import TrainingArguments  # takes seconds

    from limbeck.training.fit import DEFAULTS

    recipe = bench.recipe
    stages: dict[str, dict[str, Any]] = {"training": recipe.training}
    for side, spec in (("teacher", recipe.teacher), ("student", recipe.student)):
        if spec is not None and spec.sft is not None:
            stages[f"{side}.sft.training"] = spec.sft.training
    for where, chosen in stages.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                TrainingArguments(output_dir=recipe.output, **{**DEFAULTS, **chosen})
        except (ValueError, TypeError, ImportError) as error:
            reason = str(error).strip().splitlines()[0][:240]
            yield Finding(
                "training",
                "fail",
                f"{where} cannot be used: {reason}",
                "transformers refuses these training arguments",
                f"change or leave out the keys below {where}:",
            )
            return
    yield Finding("training", "ok", "the training arguments fit together")
