"""Every model of a run on the same rows: the teacher, the student before, the arms."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from limbeck.data import Example
from limbeck.engines import Response, Sampling
from limbeck.evaluation.audit import prospect
from limbeck.models import load_model
from limbeck.recipe import ModelSpec
from limbeck.run.arms import ONE_SHOT, Arm, student_of
from limbeck.run.measure import Measuring
from limbeck.run.measured import Measured
from limbeck.run.served import ServedTeacher
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab
from limbeck.run.trainings import Trainings
from limbeck.run.tutored import TutoredLab
from limbeck.targets import ModelTeacher


@dataclass(frozen=True)
class Comparing:
    """Measures each model once.

    Attributes:
        measuring: On which rows.
        stage: The teacher, where it is a model in this process.
        trainings: Make the student before training.
        served: The teacher, where it is behind a server.
        lab: The run's first round.
    """

    measuring: Measuring
    stage: TeacherStage
    trainings: Trainings
    served: ServedTeacher | None
    lab: RoundLab

    def teacher(self) -> Measured | None:
        """The teacher; None where there is none to measure."""
        bench = self.measuring.bench
        if bench.method.tutors or (self.served is not None and bench.has_answers):
            return self.measuring.measure_served(self._ask)
        if bench.teacher is not None:
            return self.measuring.measure("teacher", lambda: self.stage.model, None)
        return None

    def before(self) -> Measured:
        """The student before training."""
        return self.measuring.measure("before", self.trainings.new_student, self._judge)

    def arm(self, arm: Arm) -> Measured:
        """A trained student."""
        return self.measuring.measure(arm.name, lambda: self.load(arm), self._judge)

    def on(self, measuring: Measuring) -> "Comparing":
        """The same models on other rows."""
        return replace(self, measuring=measuring)

    def validated(self, arm: Arm) -> Measured:
        """A trained student on rows to choose by: under a name of its own, and beside nobody."""
        return self.measuring.measure("validation", lambda: self.load(arm), None)

    def load(self, arm: Arm) -> Any:
        """The weights of a trained student."""
        spec = ModelSpec(model=str(self.measuring.folder / arm.folder))
        return load_model(spec, arm.name, self.measuring.bench.student.tokenizer, 0, "float32")

    def models(self, arms: list[Arm]) -> dict[str, Measured]:
        """Every model, in the order of the report."""
        teacher = self.teacher()
        measured = {} if teacher is None else {"teacher": teacher}
        measured["before"] = self.before()
        return measured | {arm.name: self.arm(arm) for arm in in_order(arms)}

    def prospect(self, arms: list[Arm]) -> str | None:
        """When can the student win? From teacher and baseline, before the student is trained.

        None where there is no baseline, no teacher, or no answer to be right about.
        """
        baseline = next((arm for arm in arms if arm.name == "sft"), None)
        if baseline is None or not self.measuring.bench.has_answers:
            return None
        teacher = self.teacher()
        its, own = (None if m is None else m.answers for m in (teacher, self.arm(baseline)))
        return None if its is None or own is None else prospect(its, own)

    @property
    def _judge(self) -> Callable[[], ModelTeacher] | None:
        bench = self.measuring.bench
        shown = bench.teacher is not None and bench.one_tokenizer
        return (lambda: self.stage.judge) if shown else None

    def _ask(self, examples: list[Example], sampling: Sampling) -> list[Response]:
        """A teacher that answers in text; one that explains is asked as it is for what it teaches."""
        if isinstance(self.lab, TutoredLab):
            longest = sampling.max_new_tokens
            requests = [self.lab.request(self.lab.solving(e), 0.0, 0, longest) for e in examples]
            return self.lab.ask(requests, "answers of teacher")
        assert self.served is not None
        requests = self.served.requests(examples, sampling, 0)
        return self.served.answers(requests, "answers of teacher")


def in_order(arms: list[Arm]) -> list[Arm]:
    """Of the report: the baseline, the student after its first round, the student, the controls."""
    first = ["sft", ONE_SHOT, "student"]
    student = student_of(arms)
    if student.method.tutors and student.method.number_of_rounds(0) > 1:
        arms = [*arms, replace(student, name=ONE_SHOT, label="One-shot rationales")]
    return sorted(arms, key=lambda a: first.index(a.name) if a.name in first else len(first))
