"""The engine protocol: tokens in, tokens out."""

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
    """

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    batch_size: int = 64


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


class Engine(Protocol):
    """Continues prompts: a model in this process, or a server."""

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int
    ) -> list[Completion]:
        """One completion per prompt, in order; the same seed gives the same tokens."""
        ...
