"""What a method may ask for when it prepares a round."""

from collections.abc import Sequence as Rows
from typing import Literal, Protocol

from limbeck.data.batch import Sequence

LossSource = Literal["train", "oof"]


class Lab(Protocol):
    """Text and measurements of one round."""

    @property
    def round(self) -> int:
        """Rounds done before this one."""
        ...

    @property
    def seed(self) -> int:
        """Of draws in this round."""
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
        """All training prompts with the teacher's completion; unfinished ones are left out."""
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
