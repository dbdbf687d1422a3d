"""The models of a run made ready, without distilling anything: what ``limbeck sft`` does."""

from dataclasses import dataclass
from typing import Any

from limbeck.errors import RequestError
from limbeck.models import matmul_precision
from limbeck.recipe import Recipe
from limbeck.run.folder import RunFolder
from limbeck.run.opening import hashes_of, opened


@dataclass(frozen=True)
class Prepared:
    """What stands in a run's folder before the distillation.

    Attributes:
        folder: The run's.
        trained: How the fine-tunings went, by the folder of the model: ``teacher``, ``start``.
        path: Figures of the teacher's checkpoints, if there are any; see `Trajectory.figures`.
    """

    folder: RunFolder
    trained: dict[str, dict[str, Any]]
    path: dict[str, Any] | None


def prepare(recipe: Recipe, *, fresh: bool = False) -> Prepared:
    """Fine-tune the teacher and the student as a recipe says; `distill` goes on from there.

    Args:
        recipe: As for `distill`, with ``teacher.sft``, ``teacher.checkpoints`` or ``student.sft``.
        fresh: Delete an earlier run in the same folder first.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was finished is kept.
    """
    teacher = recipe.teacher
    has_path = teacher is not None and teacher.has_path
    if not has_path and not any(spec and spec.sft for spec in (recipe.student, teacher)):
        raise RequestError(
            "this recipe fine-tunes neither teacher nor student",
            where="teacher.sft, student.sft",
            mend="add sft: {} to teacher or student; a model alone is tuned by method: sft",
        )
    folder = RunFolder(recipe.output)
    folder.check(recipe, fresh)
    bench, _, _ = opened(recipe, folder, lambda served: False)
    # Not before: the Trainer takes seconds to import.
    from limbeck.run.start import prepare_start
    from limbeck.run.teacher import TeacherStage

    with folder.open(recipe, hashes_of(bench), fresh), matmul_precision(recipe.matmul_precision):
        stage = TeacherStage(folder, bench)
        logs = {"teacher": stage.prepare(), "start": prepare_start(folder, bench)}
        path = stage.trajectory.figures if has_path else None
    trained = {name: log for name, log in logs.items() if log is not None}
    return Prepared(folder, trained, path)
