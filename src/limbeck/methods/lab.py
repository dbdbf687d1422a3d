"""What a method may ask for when it prepares a round."""

from collections.abc import Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Literal, Protocol

from limbeck.data.batch import Sequence
from limbeck.tutoring import Attempt, Record

LossSource = Literal["train", "oof"]
Origin = Literal["first", "retried", "earlier", "own"]


@dataclass(frozen=True, slots=True)
class Rationale:
    """A worked solution whose answer is right.

    Attributes:
        text: What the student is to learn.
        origin: ``first`` and ``retried`` are the teacher's, right at once or later; ``earlier`` is
            that of the round before; ``own`` is what the student wrote.
    """

    text: str
    origin: Origin


Rationales = dict[int, Rationale]
"""By the example's place among the training rows; rows without one are left out."""


class Tutor(Protocol):
    """A teacher that explains, and sees what its student makes of it. All it writes is verified."""

    def solve(self, rows: Rows[int], again: bool = False) -> Rationales:
        """Solutions for no student in particular; ``again`` draws others than in earlier rounds."""
        ...

    def earlier(self) -> Rationales:
        """The teacher's newest solutions of the rounds before."""
        ...

    def record(self) -> Record:
        """The student's attempts at the diagnosis problems after each round, and their errors."""
        ...

    def attempts(self, rows: Rows[int]) -> dict[int, Attempt]:
        """The student's attempts at these problems, as the last round left it."""
        ...

    def refine(
        self, record: Record, earlier: Rationales, attempts: Mapping[int, Attempt | None]
    ) -> Rationales:
        """New solutions of these problems for the student of this record.

        Args:
            record: What the teacher is shown of the student; nothing where it is empty.
            earlier: The solutions to improve on.
            attempts: The problems, and the student's attempt at each where it is to be shown.
        """
        ...

    def text(self, rationales: Rationales) -> list[Sequence]:
        """The training rows with these completions."""
        ...


class Lab(Protocol):
    """Text and measurements of one round."""

    @property
    def tutor(self) -> Tutor:
        """The teacher, where it explains."""
        ...

    @property
    def round(self) -> int:
        """Rounds done before this one."""
        ...

    @property
    def seed(self) -> int:
        """Of draws in this round."""
        ...

    @property
    def run_seed(self) -> int:
        """Of draws that are the same in all rounds."""
        ...

    @property
    def checkpoints(self) -> int:
        """How many checkpoints the teacher's path has; 0 where there is no path."""
        ...

    def labelled(self) -> list[Sequence]:
        """The training rows that came with a completion, as they are."""
        ...

    def prompts(self) -> list[Sequence]:
        """All training rows, whether or not they came with a completion."""
        ...

    def answered_by_teacher(self) -> list[Sequence]:
        """The training prompts with the teacher's completions that are kept; see `limbeck.sources.vet`."""
        ...

    def answered_by_student(self, rows: Rows[Sequence]) -> list[Sequence]:
        """These rows with the completions of the student as the last round left it."""
        ...

    def kl_from_best(self) -> list[float]:
        """KL(best checkpoint || k) on probe rows for each checkpoint k, nats a token.

        Infinite for a checkpoint that has diverged, as are the other measurements of it.
        """
        ...

    def kl_from_student(self) -> list[float]:
        """KL(student || k) on the same rows, for the student as the last round left it."""
        ...

    def losses_of_start(self, rows: Rows[Sequence], source: LossSource) -> list[float]:
        """Mean negative log-likelihood of each row under the fine-tuned student, frozen."""
        ...

    def losses_of_checkpoint(
        self, checkpoint: int, rows: Rows[Sequence], source: LossSource
    ) -> list[float]:
        """The same under a checkpoint of the teacher's path."""
        ...
