"""Is there room for it?"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from limbeck.bench import Bench
from limbeck.divergences.chunks import row_bytes, useful_bytes
from limbeck.doctor.finding import Finding
from limbeck.models import parameters_of
from limbeck.recipe import ModelSpec

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
LIBRARIES = 600 * 2**20  # PyTorch and transformers themselves, measured


def memory(bench: Bench) -> Iterator[Finding]:
    """Weights, gradients, optimiser, activations and loss against what is free."""
    need, parts = _memory_bytes(bench)
    if torch.cuda.is_available():
        free, where = torch.cuda.mem_get_info()[0], "on the GPU"
    else:
        free, where = psutil.virtual_memory().available, "of main memory"
    what = f"about {_size(need)} needed ({parts}), {_size(free)} free {where}"
    mend = "lower training.per_device_train_batch_size, use student: {lora: {}}, or a teacher in bfloat16"
    if need > free:
        yield Finding("memory", "fail", what, "the training would be stopped by the system", mend)
    elif need > 0.8 * free:
        yield Finding("memory", "warn", what, "the estimate can be off by a fifth", mend)
    else:
        yield Finding("memory", "ok", what)


def disk(bench: Bench, output: Path) -> Iterator[Finding]:
    """Checkpoints and models against what is free where the run is written."""
    from limbeck.training.fit import DEFAULTS  # takes seconds

    existing = next(p for p in (output.absolute(), *output.absolute().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    student = 4 * parameters_of(bench.student.config)
    kept = int(bench.recipe.training.get("save_total_limit", DEFAULTS["save_total_limit"])) + 1
    controls, method = bench.recipe.controls, bench.method
    possible = 6 if method.tutors else 2
    extra = len(controls) if isinstance(controls, list) else possible * controls
    arms = 2 + extra
    if method.tutors:  # students between rounds stay until the last control is trained
        arms += (1 + extra) * method.number_of_rounds(0)
    # A checkpoint is weights and two moments; models fine-tuned before are kept as well.
    need = 3 * student * kept + arms * student + 50 * 2**20
    for spec, side in (
        (bench.recipe.student, bench.student),
        (bench.recipe.teacher, bench.teacher),
    ):
        if spec is not None and side is not None and spec.sft is not None:
            weights = 4 * parameters_of(side.config)
            trained = weights * _trained(spec)
            path = spec.keep_checkpoints or 0
            need += int(3 * trained * kept + weights + trained * path)
    what = f"about {_size(need)} needed, {_size(free)} free at {existing}"
    if need > free:
        yield Finding(
            "disk",
            "fail",
            what,
            "a full disk would end the run half-way",
            "free space, name another output:, or set training.save_total_limit: 1",
        )
    else:
        yield Finding("disk", "ok", what)


def _memory_bytes(bench: Bench) -> tuple[int, str]:
    """Estimate of the largest moment, and what it is made of."""
    recipe, student = bench.recipe, parameters_of(bench.student.config)
    # Weights; gradients and two moments.
    parts = {"student": int(student * (4 + 12 * _trained(recipe.student)))}
    if recipe.teacher is not None and bench.teacher is not None:
        weights = parameters_of(bench.teacher.config)
        tuned = 4 + 12 * _trained(recipe.teacher)
        parts["teacher"] = int(
            weights * (tuned if recipe.teacher.sft else _width(recipe.teacher, bench))
        )
    config = bench.student.config.get_text_config()
    tokens = int(recipe.training.get("per_device_train_batch_size", 8)) * bench.counts["train"].get(
        "longest", bench.max_length
    )
    # About 34 bytes a token, layer and hidden unit without attention matrices (Korthikanti et al.
    # 2022, arXiv:2205.05198), doubled for float32.
    parts["activations"] = tokens * config.num_hidden_layers * config.hidden_size * 68
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts["loss"] = useful_bytes(row_bytes(bench.student.head, device), device)
    parts["loss"] += 4 * bench.student.head * config.hidden_size
    parts["libraries"] = LIBRARIES
    return sum(parts.values()), ", ".join(f"{name} {_size(size)}" for name, size in parts.items())


def _trained(spec: ModelSpec) -> float:
    """Share of the weights that an optimiser moves."""
    return 0.02 if spec.lora else 1.0


def _width(spec: ModelSpec, bench: Bench) -> int:
    stored = getattr(bench.teacher.config, "dtype", None) if bench.teacher else None
    name = (
        spec.dtype
        if spec.dtype not in (None, "auto")
        else str(stored or "float32").removeprefix("torch.")
    )
    return BYTES.get(str(name), 4)


def _size(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
