"""The arms of a run: the students that are trained and compared, each for the same number of steps."""

import contextlib
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from limbeck.bench import Bench, ids
from limbeck.console import progress
from limbeck.data import Sequence
from limbeck.methods import SFT, Method
from limbeck.models import add_lora, load_model
from limbeck.profile import forgotten_peak
from limbeck.ranks import rank
from limbeck.run.folder import RunFolder
from limbeck.run.profiling import profiled
from limbeck.run.saving import as_result, plain, save
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab
from limbeck.targets import check_head
from limbeck.training import Fit, arguments, fit

VALIDATION = 500


@dataclass(frozen=True)
class Arm:
    """One student: how it is trained, and on what.

    Attributes:
        name: Key in ``results.json``.
        label: What a reader calls it.
        method: What it minimises.
        rows: Its training text, prepared when it is needed.
    """

    name: str
    label: str
    method: Method
    rows: Callable[[], list[Sequence]]

    @property
    def folder(self) -> str:
        """Where the trained model goes, below the run's folder."""
        return "student" if self.name == "student" else f"arms/{self.name}"


def arms_of(bench: Bench, lab: RoundLab) -> list[Arm]:
    """Baseline and controls first, the distilled student last."""
    recipe, method = bench.recipe, bench.method
    name = recipe.method["name"]
    student = Arm("student", f"Student ({name})", method, lambda: method.prepare(lab))
    if name == "sft":
        return [student]
    arms = []
    if recipe.baseline == "sft" and lab.labelled():
        arms.append(Arm("sft", "SFT baseline", SFT(), lab.labelled))
    if recipe.controls:
        if gold_possible(bench):
            arms.append(
                Arm(
                    "control_gold",
                    "Control: SFT, gold answers for all prompts",
                    SFT(),
                    lambda: gold(bench),
                )
            )
        if labelled_possible(bench):
            # The same loss on the few labelled rows; a method that only reads teacher text becomes SFT there.
            arms.append(
                Arm(
                    "control_labelled", f"Control: {name}, labelled rows only", method, lab.labelled
                )
            )
    return [*arms, student]


def gold_possible(bench: Bench) -> bool:
    """Whether the data knows completions that the student was not shown."""
    return any(e.hidden is not None for e in bench.examples.train)


def labelled_possible(bench: Bench) -> bool:
    """Whether distilling on the labelled rows alone is another experiment than the run itself."""
    answered = sum(bool(s.completion) for s in bench.sequences["train"])
    return bench.method.teacher_writes and 0 < answered < len(bench.sequences["train"])


def gold(bench: Bench) -> list[Sequence]:
    """Every training prompt with the data's own completion, hidden ones included."""
    shown = [
        replace(e, completion=e.completion if e.completion is not None else e.hidden)
        for e in bench.examples.train
    ]
    sequences, _ = ids(
        shown, bench.examples.kind, bench.recipe.data, bench.student, bench.max_length
    )
    return [s for s in sequences if s.completion]


def validation_rows(bench: Bench) -> list[Sequence]:
    """What the evaluation loss is computed on while a student trains."""
    return [s for s in bench.sequences["validation"] if s.completion][:VALIDATION]


class Trainings:
    """Trains arms, each once; a finished one is read back from the run's folder.

    Args:
        folder: The run's.
        bench: What is trained on.
        teacher: For methods that imitate.
        profile: Measure where the time and memory of each training go.
    """

    def __init__(
        self, folder: RunFolder, bench: Bench, teacher: TeacherStage, profile: bool = False
    ):
        self.folder, self.bench, self.teacher, self.profile = folder, bench, teacher, profile

    def new_student(self) -> Any:
        """The student before any training, the same for every arm."""
        recipe = self.bench.recipe
        model = load_model(
            recipe.student, "student", self.bench.student.tokenizer, recipe.seed, "float32"
        )
        check_head(model, "student")
        return model

    def steps(self, rows: int) -> int:
        """Optimiser steps of every arm: what the recipe means for the distilled student's text."""
        recipe = self.bench.recipe
        return arguments(recipe.training, self.folder / "checkpoints", recipe.seed, rows).max_steps

    def train(self, arm: Arm, steps: int) -> dict[str, Any]:
        """Train an arm, or read how its training went.

        Returns:
            What ``results.json`` says of it under ``training``.
        """
        result = self.folder.once(
            f"train {arm.name}", lambda: as_result(self._fit(arm, steps)), everywhere=True
        )
        if rank() == 0:
            shutil.rmtree(self.folder / "checkpoints" / arm.name, ignore_errors=True)
        return result

    def _fit(self, arm: Arm, steps: int) -> Fit:
        recipe, bench = self.bench.recipe, self.bench
        rows = arm.rows()
        model = self.new_student()
        teacher = None
        if recipe.student.lora is not None:
            model = add_lora(model, recipe.student.lora)
        if arm.method.imitates:
            model, teacher = self.teacher.beside(model)
        args = arguments(
            recipe.training, self.folder / "checkpoints" / arm.name, recipe.seed, len(rows), steps
        )
        measured = profiled(self.folder, arm.name) if self.profile else contextlib.nullcontext()
        with measured, progress(f"training {arm.name}", steps, "steps") as advance:
            done = fit(
                model,
                arm.method,
                args,
                rows,
                validation_rows(bench),
                bench.student.tokenizer,
                teacher,
                recipe.generation.sampling(),
                advance,
            )
        save(plain(model), bench.student.tokenizer, self.folder / arm.folder)
        return done


def peak_memory_bytes() -> int:
    """Largest memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak if sys.platform == "darwin" else peak * 1024
    return max(peak, forgotten_peak())
