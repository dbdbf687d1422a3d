"""Generation with a transformers model in this process."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import nn

from limbeck.engines import fallback, scoring
from limbeck.engines.base import Capabilities, Completion, Sampling, Scored, Seed
from limbeck.engines.batches import in_batches
from limbeck.engines.decode import Written, can_decode, cut, decode
from limbeck.engines.sampler import uniforms
from limbeck.engines.weights import Weights, evaluating, weights_of, whole
from limbeck.targets import causal_lm


class TransformersEngine:
    """Batched generation that shares the module with whoever trains it, so it is never stale.

    Prompts are sorted by length, so that a batch pads little, and padded on the left once. The
    random numbers of a prompt depend on the seed and on its place among the prompts, not on the
    batch that it falls into; with a seed for each prompt, on that alone. A model that only its own
    ``generate`` can drive then samples prompt by prompt, because it draws for a batch as a whole.

    Args:
        model: A transformers causal language model, or a context manager factory that yields one
            (a teacher that is an adapter on the student's base).
        pad: Id to fill with.
        eos: Ids that end a completion.
        vocabulary: Number of real token ids: padded heads never sample beyond it.
    """

    def __init__(
        self,
        model: nn.Module | Weights,
        pad: int,
        eos: Iterable[int],
        vocabulary: int | None = None,
    ):
        self.weights = weights_of(model)
        self.pad, self.eos, self.vocabulary = pad, sorted(eos), vocabulary

    @property
    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        with self.weights() as model:
            config = causal_lm(model).config.get_text_config()
        context = getattr(config, "max_position_embeddings", None)
        return Capabilities(log_probs=True, seed=True, context=context)

    def score(self, sequences: Sequence[Scored]) -> list[tuple[float, ...]]:
        """See `Engine.score`."""
        with self.weights() as model, evaluating(whole(model)):
            return scoring.score(model, sequences, self.pad, self.vocabulary)

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed
    ) -> list[Completion]:
        """See `Engine.generate`."""
        if sampling.num_beams > 1:
            return self._search(prompts, sampling)
        with (
            self.weights() as model,
            evaluating(whole(model)),
            self._writer(model, prompts, sampling, seed) as write,
        ):
            return in_batches(
                prompts,
                sampling.batch_size,
                lambda chunk: [cut(*row, self.eos) for row in zip(*write(chunk), strict=True)],
            )

    def _search(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Completion]:
        rest = (self.pad, self.eos, self.vocabulary)
        with self.weights() as model, evaluating(whole(model)):

            def search(chunk: list[int]) -> list[Completion]:
                found = fallback.search(model, [prompts[i] for i in chunk], sampling, *rest)
                done = (cut(tokens, [], self.eos) for tokens in found)
                return [Completion(c.tokens, None, c.finished) for c in done]

            return in_batches(prompts, sampling.batch_size, search)

    @contextlib.contextmanager
    def _writer(
        self, model: nn.Module, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed
    ) -> Iterator[Callable[[list[int]], Written]]:
        """What continues the prompts of the given numbers."""
        rest = (self.pad, self.eos, self.vocabulary)
        if can_decode(model):
            numbers = uniforms(len(prompts), sampling.max_new_tokens, seed)
            yield lambda chunk: decode(
                model, [prompts[i] for i in chunk], sampling, numbers[chunk], *rest
            )
        elif isinstance(seed, int) or sampling.temperature == 0:
            with fallback.seeded(seed if isinstance(seed, int) else 0, model):
                yield lambda chunk: fallback.generate(
                    model, [prompts[i] for i in chunk], sampling, *rest
                )
        else:
            yield lambda chunk: fallback.generate_each(
                model, [prompts[i] for i in chunk], sampling, [seed[i] for i in chunk], *rest
            )
