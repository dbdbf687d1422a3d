"""An engine that plays back a function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limbeck.engines.base import Completion, Sampling


@dataclass
class Scripted:
    """Answers each prompt with ``reply(prompt)``, cut to ``max_new_tokens``; for tests."""

    reply: Callable[[Sequence[int]], Sequence[int]]

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int
    ) -> list[Completion]:
        """See `Engine.generate`."""
        whole = [tuple(self.reply(p)) for p in prompts]
        limit = sampling.max_new_tokens
        return [Completion(t[:limit], finished=len(t) <= limit) for t in whole]
