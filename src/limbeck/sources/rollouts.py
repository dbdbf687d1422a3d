"""Where the training sequences come from: a model that continues the prompts."""

import zlib
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field, replace

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Engine, Sampling


@dataclass(frozen=True)
class Sources:
    """The engines a method may draw sequences from.

    Attributes:
        student: Continues prompts with the student as it is now.
        teacher: Continues prompts with the teacher.
        sampling: How both sample.
    """

    student: Engine | None = None
    teacher: Engine | None = None
    sampling: Sampling = field(default_factory=Sampling)

    def from_student(self, sequences: Rows[Sequence], seed: int) -> list[Sequence]:
        """Replace every completion by a sample of the current student."""
        return self._continue(sequences, self.student, Author.STUDENT, seed)

    def from_teacher(self, sequences: Rows[Sequence], seed: int) -> list[Sequence]:
        """Replace every completion by a sample of the teacher."""
        return self._continue(sequences, self.teacher, Author.TEACHER, seed)

    def _continue(
        self, sequences: Rows[Sequence], engine: Engine | None, author: Author, seed: int
    ) -> list[Sequence]:
        if engine is None:
            raise ValueError(
                f"this method samples from the {author.name.lower()}: give it an engine"
            )
        done = engine.generate([s.prompt for s in sequences], self.sampling, seed)
        return [
            replace(s, completion=c.tokens, author=author)
            for s, c in zip(sequences, done, strict=True)
        ]


def seed_for(*parts: int | str) -> int:
    """A seed that is a function of its parts, so that ranks agree and a resumed run repeats."""
    return zlib.crc32("/".join(map(str, parts)).encode())
