"""The text of a run written without training anybody: what ``limbeck generate`` does."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import RequestError
from limbeck.models import matmul_precision
from limbeck.ranks import rank, wait_for_everyone
from limbeck.recipe import Recipe
from limbeck.run.folder import RunFolder
from limbeck.run.opening import hashes_of, opened
from limbeck.run.responses import FILE, keep_responses
from limbeck.run.served import ServedTeacher


@dataclass(frozen=True)
class Generated:
    """A teacher's answers, as they stand in a run's folder.

    Attributes:
        path: The run's folder.
        rows: Each answer; see `limbeck.run.responses.response`.
        prompts: How many prompts there are.
        trained: Answers that a student is trained on: those that are kept, without those that are
            too long with their prompt.
        costs: What a teacher behind an API has cost; see `ServedTeacher.costs`. None for others.
    """

    path: Path
    rows: Rows[dict[str, Any]]
    prompts: int
    trained: int
    costs: dict[str, Any] | None

    @property
    def responses(self) -> Path:
        """The table of the answers."""
        return self.path / FILE


def generate(recipe: Recipe, *, fresh: bool = False) -> Generated:
    """Write the teacher's text of a recipe, and keep it for people to read; `distill` goes on there.

    Interrupted, it goes on where it was when it is called again; of a finished run it writes the
    table anew.

    Args:
        recipe: As for `distill`, with a method whose teacher writes before training.
        fresh: Delete an earlier run in the same folder first.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed, or no answer can be learned from; what was written is kept.
    """
    _refuse_silence(recipe)
    folder = RunFolder(recipe.output)
    folder.check(recipe, fresh)
    bench, _, cache = opened(recipe, folder, lambda served: fresh or not served.all_written())
    served = ServedTeacher.of(folder, bench)
    # Not before: the Trainer takes seconds to import.
    from limbeck.run.arms import arms_of, student_of
    from limbeck.run.teacher import TeacherStage
    from limbeck.run.trainings import Trainings

    with folder.open(recipe, hashes_of(bench), fresh), matmul_precision(recipe.matmul_precision):
        teacher = TeacherStage(folder, bench, cache)
        teacher.prepare()
        arm = student_of(arms_of(bench))
        lab = Trainings(folder, bench, teacher).lab(arm, 0)
        folder.once("generate", lambda: {"answers": len(lab.responses())})
        rows = lab.responses()
        costs = None
        if rank() == 0:
            keep_responses(rows, folder / FILE)
            costs = None if served is None else served.costs()
        trained = len(arm.rows(lab) if bench.method.tutors else lab.answered_by_teacher())
        wait_for_everyone()
    return Generated(folder.path, rows, len(bench.sequences["train"]), trained, costs)


def _refuse_silence(recipe: Recipe) -> None:
    if recipe.build_method().teacher_writes:
        return
    raise RequestError(
        f"with the method {recipe.method['name']}, as it is set, no teacher writes before training",
        where="method",
        mend="take method: seqkd, or a method on the teacher's text: {name: kd, source: teacher}",
    )
