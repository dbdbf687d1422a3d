"""Where every student of a run starts: the recipe's model, fine-tuned first if it asks for that.

GKD, MiniLLM and DistiLLM distil into a student that has been fine-tuned; without ``student.sft``
all arms start from the model as it is.
"""

from typing import Any

from limbeck.bench import Bench
from limbeck.recipe import ModelSpec
from limbeck.run import common
from limbeck.run.folder import RunFolder
from limbeck.run.tuning import Tuning, tuned

FOLDER = "start"


def prepare_start(folder: RunFolder, bench: Bench) -> dict[str, Any] | None:
    """Fine-tune the student, if the recipe asks for it and it has not been done.

    With ``student.lora``, an adapter of that form is trained and merged; the distillation then
    begins a fresh one.

    Returns:
        How that training went, or None.
    """
    recipe = bench.recipe
    if recipe.student.sft is None:
        return None
    apart = ("validation", "test")
    tuning = Tuning("student", FOLDER, recipe.student, bench.student, recipe.seed, apart)
    return tuned(folder, bench, tuning, common.start(folder, bench))


def start_of(folder: RunFolder, student: ModelSpec) -> ModelSpec:
    """What every arm loads: the fine-tuned student, once there is one."""
    if student.sft is None:
        return student
    return student.saved(folder / FOLDER)
