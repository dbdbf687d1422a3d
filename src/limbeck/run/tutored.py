"""A lab whose teacher explains, and the way to ask that teacher."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.data import Example, Message
from limbeck.doctor import Finding
from limbeck.engines import Request, Response
from limbeck.engines.local import InProcess
from limbeck.errors import RequestError
from limbeck.files import digest
from limbeck.methods import UNDO
from limbeck.run.exam import Exam, Problems, open_exam
from limbeck.run.folder import ANSWERS, RunFolder
from limbeck.run.learner import attempts_of
from limbeck.run.served import ServedTeacher
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab
from limbeck.run.tutor import Ask, Tutor
from limbeck.run.window import check_window
from limbeck.sources import Budget, Spent, Store, ask_all
from limbeck.tutoring import FINISH, Attempt, Prompts

ENOUGH = 100
"""Selection problems below which the doctor warns."""


def check_tutoring(bench: Bench) -> list[Finding]:
    """Refuse what a rewriting teacher cannot do, before anything is asked; say what it works with.

    Raises:
        RequestError: See `open_exam`, `Prompts.named` and `check_window`.
    """
    if not bench.method.tutors:
        return []
    exam = open_exam(bench)
    prompts, method = Prompts.named(bench.recipe.prompts), bench.method
    assert isinstance(method, UNDO)
    if method.mode != "all" and not prompts.shows_attempt:
        raise RequestError(
            f"with mode: {method.mode} the teacher is shown the student's attempt at the problem, "
            "and the refine prompt leaves it out",
            where=f"prompts: {bench.recipe.prompts}",
            mend="use {{ attempt.text }} in refine.user.j2, or mode: all",
        )
    controls = bench.recipe.controls
    if method.shows_record or controls is True or (controls and "shuffled" in controls):
        check_window(bench, exam, prompts, finish_of(bench))
    shown, chosen = len(exam.diagnosis.examples), len(exam.selection.examples)
    what = f"{shown} problems for the learner's record, {chosen} to choose the best round by"
    if chosen >= ENOUGH:
        return [Finding("rounds", "ok", what)]
    return [
        Finding(
            "rounds",
            "warn",
            what,
            f"accuracy on {chosen} problems is known to within {98 / math.sqrt(chosen):.0f} points, and "
            "the choice of a round is that of chance where rounds differ by less",
            "hold out more rows with data.validation (200 tell 7 points apart)",
        )
    ]


def words_of(bench: Bench) -> dict[str, str]:
    """Hashes of what else the results depend on: the prompts' words, and the diagnosis problems."""
    if not bench.method.tutors:
        return {}
    problems = [(e.key, e.answer) for e in open_exam(bench).diagnosis.examples]
    return {"prompts": Prompts.named(bench.recipe.prompts).digest, "diagnosis": digest(problems)}


def finish_of(bench: Bench) -> str:
    """How a solution must end, so that its answer is found."""
    data = bench.recipe.data
    return FINISH["task" if data.origin == "task" else data.verifier or "exact"]


def asker(folder: RunFolder, bench: Bench, stage: TeacherStage) -> Ask:
    """Asks the teacher, behind a server or in this process, through the run's store of answers."""
    served = ServedTeacher.of(folder, bench)
    if served is not None:
        return served.answers
    size = bench.recipe.generation.batch_size

    def ask(requests: list[Request], what: str) -> list[Response]:
        assert bench.teacher is not None
        tokenizer = bench.teacher.tokenizer
        with Store(folder / ANSWERS) as store:
            return ask_all(
                store,
                lambda: InProcess(lambda: stage.engine, tokenizer, size),
                requests,
                where="teacher",
                what=what,
                concurrency=size,
            )

    return ask


@dataclass
class TutoredLab(RoundLab):
    """What a method may ask for whose teacher explains; see `limbeck.methods.Lab`.

    Attributes:
        rounds_at: The folder of each round of this arm.
    """

    rounds_at: Callable[[int], Path] = lambda index: Path()

    @property
    def tutor(self) -> Tutor:
        """See `limbeck.methods.Lab.tutor`."""
        return Tutor(self)

    @property
    def method(self) -> UNDO:
        """Its options."""
        assert isinstance(self.bench.method, UNDO)
        return self.bench.method

    @cached_property
    def exam(self) -> Exam:
        """The problems that the student is examined on."""
        return open_exam(self.bench)

    @cached_property
    def wording(self) -> Prompts:
        """What the teacher is told."""
        return Prompts.named(self.bench.recipe.prompts)

    @property
    def finish(self) -> str:
        """How a solution must end."""
        return finish_of(self.bench)

    @cached_property
    def ask(self) -> Ask:
        """Asks the teacher."""
        return asker(self.teacher.folder, self.bench, self.teacher)

    @cached_property
    def model(self) -> str:
        """Who is asked: a name at a server, or what identifies weights."""
        spec = self.bench.recipe.teacher
        assert spec is not None
        return (spec.model or "") if spec.server is not None else self.teacher.hash

    def solving(self, example: Example) -> tuple[Message, ...]:
        """How the teacher is asked for a solution."""
        return self.wording.solve(example.question, self.finish)

    def request(
        self,
        messages: tuple[Message, ...],
        temperature: float,
        nth: int,
        max_new_tokens: int | None = None,
    ) -> Request:
        """What the teacher is asked."""
        recipe = self.bench.recipe
        longest = max_new_tokens or recipe.generation.max_new_tokens
        return Request(self.model, messages, longest, temperature, 1.0, recipe.seed, nth)

    def cost(self, asked: Mapping[str, Response]) -> dict[str, Any]:
        """What answers cost, whether or not they were there already."""
        served = ServedTeacher.of(self.teacher.folder, self.bench)
        budget = Budget() if served is None else served.budget
        tokens_in = sum(r.tokens_in or 0 for r in asked.values())
        tokens_out = sum(r.tokens_out or 0 for r in asked.values())
        return budget.bill(Spent(len(asked), tokens_in, tokens_out))

    def attempts(self, problems: Problems, path: Path, what: str) -> list[Attempt]:
        """What the student, as the last round left it, writes about these problems."""
        return attempts_of(self.bench, problems, cache(self._student), path, what)

    def responses(self) -> list[dict[str, Any]]:
        """See `RoundLab.responses`: for each problem the solution that counts, or the last that failed."""
        rows = [s.example for s in self.prompts()]
        self.method.prepare(self)
        return self.tutor.responses(rows)
