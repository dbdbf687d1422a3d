"""The engine protocol: tokens in, tokens and their probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sampling:
    """How to continue a prompt; names and defaults of transformers' ``GenerationConfig``.

    Attributes:
        max_new_tokens: Longest completion, in tokens, the end-of-sequence token included.
        temperature: 0 decodes greedily; 1 samples from the model itself.
        top_p: Keep the smallest set of tokens with at least this probability.
        top_k: Keep this many tokens; 0 keeps all.
        batch_size: Prompts that are continued at once.
        num_beams: More than 1 searches for a likely completion with so many beams; temperature and
            filters are not used then, and log-probabilities of single tokens not known.
    """

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    batch_size: int = 64
    num_beams: int = 1

    @property
    def plain(self) -> bool:
        """Whether tokens are samples of the model itself, neither tempered nor filtered."""
        return self == Sampling(self.max_new_tokens, batch_size=self.batch_size)


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation, without its prompt.

    Attributes:
        tokens: Ids, the end-of-sequence token included where the model produced one.
        log_probs: Log-probability of each token under the model itself (temperature 1, before
            any filter), in nats; None where the engine cannot tell.
        finished: Whether the model ended by itself, as opposed to reaching ``max_new_tokens``.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...] | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Interleaved(Completion):
    """A text of two authors: the student's tokens, and the teacher's in place of some of them.

    For each token the student made one proposal that was tested: it stands there, or was refused.

    Attributes:
        by_student: Whether each token is the student's proposal.
    """

    by_student: tuple[bool, ...] = ()

    @property
    def proposed(self) -> int:
        """How many proposals were tested; what a refused one discarded with it does not count."""
        return len(self.by_student)

    @property
    def accepted(self) -> int:
        """How many of them stand in the text."""
        return sum(self.by_student)


@dataclass(frozen=True)
class Capabilities:
    """What a writer can do besides writing.

    Attributes:
        log_probs: Whether it knows the log-probability of any token after any text.
        seed: Whether it takes a seed.
        context: Longest text, prompt and completion together, in tokens; None where nobody knows.
    """

    log_probs: bool
    seed: bool
    context: int | None = None


Seed = int | Sequence[int]
"""One for all prompts, or one for each: then a prompt's sample does not depend on the others."""

Scored = tuple[Sequence[int], Sequence[int]]
"""A prompt and a completion, the log-probabilities of which are asked for."""


class Engine(Protocol):
    """Continues prompts, and says how likely a completion is: a model in this process."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed
    ) -> list[Completion]:
        """One completion per prompt, in order; the same seed gives the same tokens."""
        ...

    def score(self, sequences: Sequence[Scored]) -> list[tuple[float, ...]]:
        """Log-probability of each token of each completion, in nats, at temperature 1.

        Raises:
            LimbeckError: It knows none; see `capabilities`.
        """
        ...
