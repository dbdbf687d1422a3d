"""Generation with a transformers model in this process."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from limbeck.engines import fallback
from limbeck.engines.base import Completion, Sampling
from limbeck.engines.decode import Written, can_decode, decode
from limbeck.errors import LimbeckError

Weights = Callable[[], contextlib.AbstractContextManager[nn.Module]]


class TransformersEngine:
    """Batched generation that shares the module with whoever trains it, so it is never stale.

    Prompts are sorted by length, so that a batch pads little, and padded on the left once. The
    random numbers of a prompt depend on the seed and on its place among the prompts, not on the
    batch that it falls into.

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
        self.weights: Weights = (
            (lambda: contextlib.nullcontext(model)) if isinstance(model, nn.Module) else model
        )
        self.pad, self.eos, self.vocabulary = pad, sorted(eos), vocabulary

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int
    ) -> list[Completion]:
        """See `Engine.generate`."""
        done: dict[int, Completion] = {}
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        with (
            self.weights() as model,
            _evaluating(_whole(model)),
            self._writer(model, prompts, sampling, seed) as write,
        ):
            for start in range(0, len(order), sampling.batch_size):
                chunk = order[start : start + sampling.batch_size]
                for i, tokens, log_probs in zip(chunk, *write(chunk), strict=True):
                    done[i] = self._cut(tokens, log_probs)
        return [done[i] for i in range(len(prompts))]

    @contextlib.contextmanager
    def _writer(
        self, model: nn.Module, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int
    ) -> Iterator[Callable[[list[int]], Written]]:
        """What continues the prompts of the given numbers."""
        rest = (self.pad, self.eos, self.vocabulary)
        if can_decode(model):
            # A generator of its own: the training's random numbers stay as they are.
            uniforms = torch.rand(
                (len(prompts), sampling.max_new_tokens),
                generator=torch.Generator().manual_seed(seed),
                dtype=torch.float64,
            )
            yield lambda chunk: decode(
                model, [prompts[i] for i in chunk], sampling, uniforms[chunk], *rest
            )
        else:
            with fallback.seeded(seed, model):
                yield lambda chunk: fallback.generate(
                    model, [prompts[i] for i in chunk], sampling, *rest
                )

    def _cut(self, tokens: list[int], log_probs: list[float]) -> Completion:
        end = next((i + 1 for i, t in enumerate(tokens) if t in self.eos), None)
        finished = end is not None
        end = len(tokens) if end is None else end
        return Completion(tuple(tokens[:end]), tuple(log_probs[:end]), finished)


def _whole(model: nn.Module) -> nn.Module:
    """The model, if each rank has all of it.

    Raises:
        LimbeckError: It is sharded: every forward pass is one of all ranks, and texts differ in length.
    """
    if any(isinstance(p, DTensor) for p in model.parameters()):
        raise LimbeckError(
            "a model that FSDP has sharded cannot write: ranks would wait for one another forever",
            where=type(model).__name__,
            mend="train without FSDP, or with a method that needs no text of the student",
        )
    return model


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, with the key-value cache that gradient checkpointing would forbid."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:  # one by one: a part may have been in evaluation mode before
            module.training = True
