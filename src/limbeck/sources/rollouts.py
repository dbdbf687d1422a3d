"""Where the training sequences come from: policies that continue the prompts."""

import zlib
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field, replace
from typing import Protocol

from limbeck.data.batch import Author, Sequence
from limbeck.engines import Completion, Engine, Interleaved, Sampling
from limbeck.sources.replay import Replay


class Together(Protocol):
    """Student and teacher that write one text; see `limbeck.engines.Pair`."""

    def mixed(
        self, prompts: Rows[Rows[int]], sampling: Sampling, seed: int, *, alpha: float
    ) -> list[Completion]:
        """Each token from ``alpha * p + (1 - alpha) * q``."""
        ...

    def interleaved(
        self,
        prompts: Rows[Rows[int]],
        sampling: Sampling,
        seed: int,
        *,
        k: int,
        block: int,
        teacher_sampling: Sampling | None = None,
    ) -> list[Interleaved]:
        """The student proposes, the teacher replaces what is not among its k likeliest."""
        ...


@dataclass
class Sources:
    """Who may be asked for sequences.

    What they give keeps the prompts, the ids as they were sampled, their author, and the
    log-probabilities under what they were drawn from.

    Attributes:
        student: Continues prompts with the student as it is now.
        together: Continues prompts with both.
        sampling: How all of them sample.
        replay: What was written earlier, for methods that train on it again.
        corpus: Plain text, for a language-modelling term.
        counted: What there is to report of this step, ``{name: [sum, count]}``.
        written: Tokens written for this step.
    """

    student: Engine | None = None
    together: Together | None = None
    sampling: Sampling = field(default_factory=Sampling)
    replay: Replay = field(default_factory=lambda: Replay(1000))
    corpus: Rows[Sequence] = ()
    counted: dict[str, list[float]] = field(default_factory=dict)
    written: int = 0

    def from_student(
        self, rows: Rows[Sequence], seed: int, *, greedy: bool = False
    ) -> list[Sequence]:
        """Replace every completion by a sample of the current student."""
        if self.student is None:
            raise ValueError("this method samples from the student: give it an engine")
        sampling = replace(self.sampling, temperature=0.0) if greedy else self.sampling
        done = self.student.generate([s.prompt for s in rows], sampling, seed)
        return self._completed(rows, done, Author.STUDENT)

    def mixed(self, rows: Rows[Sequence], seed: int, *, alpha: float) -> list[Sequence]:
        """Replace every completion by a text of both, each token from ``alpha p + (1 - alpha) q``."""
        done = self._both.mixed([s.prompt for s in rows], self.sampling, seed, alpha=alpha)
        return self._completed(rows, done, Author.BOTH)

    def interleaved(
        self,
        rows: Rows[Sequence],
        seed: int,
        *,
        k: int,
        block: int,
        teacher_temperature: float | None = None,
    ) -> list[Sequence]:
        """Replace every completion by what the student proposed and the teacher let through.

        Counts the share of proposed tokens that was accepted as ``acceptance``.

        Args:
            rows: What is to be answered.
            seed: Of the draws.
            k: How many of the teacher's likeliest tokens let a proposal through.
            block: How many tokens are proposed at once.
            teacher_temperature: Of the teacher's replacements; None is that of the proposals.
        """
        t = self.sampling.temperature if teacher_temperature is None else teacher_temperature
        its = replace(self.sampling, temperature=t)
        prompts = [s.prompt for s in rows]
        done = self._both.interleaved(
            prompts, self.sampling, seed, k=k, block=block, teacher_sampling=its
        )
        self.count("acceptance", sum(d.accepted for d in done), sum(d.proposed for d in done))
        return self._completed(rows, done, Author.BOTH)

    def beside(self, rows: Rows[Sequence], seed: int) -> list[Sequence]:
        """Each row with a plain text after it, the same for the same seed; none is a prompt's."""
        if not self.corpus:
            raise ValueError("this method reads plain text as well: give it a corpus")
        first = seed % len(self.corpus)
        texts = [self.corpus[(first + i) % len(self.corpus)] for i in range(len(rows))]
        return [s for row, text in zip(rows, texts, strict=True) for s in (row, text)]

    def count(self, name: str, total: float, number: float) -> None:
        """Report a mean, logged with the loss."""
        entry = self.counted.setdefault(name, [0.0, 0.0])
        entry[0] += total
        entry[1] += number

    @property
    def _both(self) -> Together:
        if self.together is None:
            raise ValueError("this method lets student and teacher write together: give it both")
        return self.together

    def _completed(
        self, rows: Rows[Sequence], done: Rows[Completion | Interleaved], author: Author
    ) -> list[Sequence]:
        self.written += sum(len(c.tokens) for c in done)
        return [
            replace(s, completion=c.tokens, author=author, log_probs=c.log_probs)
            for s, c in zip(rows, done, strict=True)
        ]


def drawn_from(rows: list[Sequence]) -> list[Sequence]:
    """The rows, whose tokens' probabilities under what they were drawn from are known.

    Raises:
        ValueError: They are not: an importance weight would be wrong in silence.
    """
    if any(s.log_probs is None for s in rows):
        raise ValueError(
            "this method weighs tokens by the probability that they were drawn with, and the "
            "engine tells none (a beam search has none)"
        )
    return rows


def seed_for(*parts: int | str) -> int:
    """A seed that is a function of its parts, so that ranks agree and a resumed run repeats."""
    return zlib.crc32("/".join(map(str, parts)).encode())
