"""An engine that plays back a function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limbeck.engines.base import Capabilities, Completion, Sampling, Scored, Seed
from limbeck.errors import LimbeckError


@dataclass
class Scripted:
    """Answers each prompt with ``reply(prompt)``, cut to ``max_new_tokens``; for tests."""

    reply: Callable[[Sequence[int]], Sequence[int]]

    @property
    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(log_probs=False, seed=False)

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed
    ) -> list[Completion]:
        """See `Engine.generate`."""
        whole = [tuple(self.reply(p)) for p in prompts]
        limit = sampling.max_new_tokens
        return [Completion(t[:limit], finished=len(t) <= limit) for t in whole]

    def score(self, sequences: Sequence[Scored]) -> list[tuple[float, ...]]:
        """See `Engine.score`; it knows none."""
        raise LimbeckError(
            "a script knows no probabilities",
            where=type(self).__name__,
            mend="ask a model, such as TransformersEngine",
        )
