"""The arms of a run: the students that are trained and compared, each for the same number of steps."""

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from limbeck.bench import Bench, ids
from limbeck.data import Author, Sequence, load_examples
from limbeck.methods import SFT, UNDO, Lab, Method
from limbeck.profile import forgotten_peak
from limbeck.recipe import Recipe
from limbeck.run.tuning import VALIDATION


@dataclass(frozen=True)
class Arm:
    """One student: how it is trained, and on what.

    Attributes:
        name: Key in ``results.json``.
        label: What a reader calls it.
        method: What it minimises.
        rows: Its training text of a round, prepared when it is needed.
        only_labelled: Whether it sees nothing but the labelled rows.
        begins_like: The arm whose first round is also this one's; None where it has its own.
        as_long_as: The arm whose rounds, each as long as this arm's training would be, are made up
            for; None where the steps are the recipe's.
    """

    name: str
    label: str
    method: Method
    rows: Callable[[Lab], list[Sequence]]
    only_labelled: bool = False
    begins_like: str | None = None
    as_long_as: str | None = None

    @property
    def folder(self) -> str:
        """Where the trained model goes, below the run's folder."""
        return "student" if self.name == "student" else f"arms/{self.name}"


ONE_SHOT = "one_shot"
"""The student after the first round, where a teacher explains: what its rounds are compared with."""


def arms_of(bench: Bench) -> list[Arm]:
    """The baseline first, then controls and the distilled student, in the order of training."""
    recipe, method = bench.recipe, bench.method
    name = recipe.method["name"]
    student = Arm("student", f"Student ({name})", method, method.prepare)
    if name == "sft":
        return [student]
    arms = []
    if recipe.baseline == "sft" and any(s.completion for s in bench.sequences["train"]):
        arms.append(Arm("sft", "SFT baseline", SFT(), SFT().prepare))
    if _wanted(recipe, "gold") and gold_possible(bench):
        label = "Control: SFT, gold answers for all prompts"
        arms.append(Arm("control_gold", label, SFT(), lambda _: gold(bench)))
    if _wanted(recipe, "labelled") and labelled_possible(bench):
        # The same loss on the few labelled rows; a method that only reads teacher text becomes SFT there.
        label = f"Control: {name}, labelled rows only"
        arms.append(Arm("control_labelled", label, method, method.prepare, only_labelled=True))
    return [*arms, student, *(_feedback_controls(recipe, method) if method.tutors else ())]


def student_of(arms: list[Arm]) -> Arm:
    """The one that the recipe is about."""
    return next(arm for arm in arms if arm.name == "student")


def _wanted(recipe: Recipe, control: str) -> bool:
    chosen = recipe.controls
    return chosen if isinstance(chosen, bool) else control in chosen


def _feedback_controls(recipe: Recipe, method: Method) -> list[Arm]:
    """Students that say whether it was the feedback that helped; their first round is the student's."""
    assert isinstance(method, UNDO)
    found = []
    if _wanted(recipe, "longer") and method.rounds:
        once = replace(method, rounds=0)
        label = "Control: one-shot, as many steps"
        found.append(Arm("control_longer", label, once, once.prepare, as_long_as="student"))
    for feedback, label in (
        ("resample", "Control: new solutions, no feedback"),
        ("shuffled", "Control: feedback shuffled"),
        ("blind", "Control: rewritten without the record"),
    ):
        if _wanted(recipe, feedback) and method.rounds:
            other = replace(method, feedback=feedback)  # type: ignore[arg-type]
            name = f"control_{feedback}"
            found.append(Arm(name, label, other, other.prepare, begins_like="student"))
    return found


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


def corpus_rows(bench: Bench) -> list[Sequence]:
    """Plain text for a language-modelling term."""
    spec = bench.recipe.corpus
    assert spec is not None
    examples = load_examples(spec)
    rows, _ = ids(examples.train, examples.kind, spec, bench.student, bench.max_length)
    return [replace(s, author=Author.CORPUS, example=-1) for s in rows if s.completion]


def peak_memory_bytes() -> int:
    """Largest memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = peak if sys.platform == "darwin" else peak * 1024
    return max(peak, forgotten_peak())
