"""Generation with a transformers model in this process."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from limbeck.engines.base import Completion, Sampling
from limbeck.targets import causal_lm

Weights = Callable[[], contextlib.AbstractContextManager[nn.Module]]


class TransformersEngine:
    """Batched generation that shares the module with whoever trains it, so it is never stale.

    Prompts are sorted by length, so that a batch pads little, and padded on the left once.

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
        with self.weights() as model, _evaluating(model), _plain(model), _seeded(seed, model):
            for start in range(0, len(order), sampling.batch_size):
                chunk = order[start : start + sampling.batch_size]
                batch = self._continue(model, [prompts[i] for i in chunk], sampling)
                done.update(zip(chunk, batch, strict=True))
        return [done[i] for i in range(len(prompts))]

    @torch.no_grad()
    def _continue(
        self, model: nn.Module, prompts: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[Completion]:
        width = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (width - len(p)) + list(p) for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        device = next(model.parameters()).device
        watch = _Watch(self.vocabulary)
        out = model.generate(  # type: ignore[operator]
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=self._config(sampling),
            logits_processor=LogitsProcessorList([watch]),
        )
        tokens, log_probs = out[:, width:].tolist(), watch.finish(out).tolist()
        return [self._cut(t, lp, sampling) for t, lp in zip(tokens, log_probs, strict=True)]

    def _config(self, sampling: Sampling) -> GenerationConfig:
        greedy = sampling.temperature == 0
        # top_k = 0 and top_p = 1 are written out: the model's own generation_config must not
        # slip a filter in, or the tokens would not be samples of the distribution we score.
        chosen = (
            {}
            if greedy
            else {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
            }
        )
        return GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=not greedy,
            pad_token_id=self.pad,
            eos_token_id=self.eos or None,
            **chosen,
        )

    def _cut(self, tokens: list[int], log_probs: list[float], sampling: Sampling) -> Completion:
        end = next((i + 1 for i, t in enumerate(tokens) if t in self.eos), None)
        finished = end is not None
        end = len(tokens) if end is None else end
        return Completion(tuple(tokens[:end]), tuple(log_probs[:end]), finished)


class _Watch(LogitsProcessor):
    """Notes the log-probability of each sampled token while generation runs.

    ``generate`` can return all scores instead, but that is ``[steps, B, V]``. The processor sees
    a step's scores before its token is drawn, so it reads the token at the next step.
    """

    def __init__(self, vocabulary: int | None):
        self.vocabulary = vocabulary
        self.last: Tensor | None = None
        self.taken: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._note(input_ids)
        if self.vocabulary is not None and self.vocabulary < scores.shape[-1]:
            scores = scores.clone()
            scores[:, self.vocabulary :] = -torch.inf
        self.last = scores.float().log_softmax(-1)
        return scores

    def finish(self, output: Tensor) -> Tensor:
        """Log-probabilities of the generated tokens, ``[B, steps]``."""
        self._note(output)
        return torch.stack(self.taken, dim=1)

    def _note(self, ids: Tensor) -> None:
        if self.last is not None:
            self.taken.append(self.last.gather(1, ids[:, -1:]).squeeze(1))


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, with the key-value cache that gradient checkpointing would forbid."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextlib.contextmanager
def _seeded(seed: int, model: nn.Module) -> Iterator[None]:
    """Sample from ``seed`` and leave the training's own random numbers as they were."""
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _plain(model: nn.Module) -> Iterator[None]:
    """Without the generation settings that the model brings: ``generate`` merges them in.

    A repetition penalty of the model's own (Qwen ships one) would make the tokens samples of
    another distribution than the one that is scored and trained.
    """
    inner = causal_lm(model)
    own, inner.generation_config = inner.generation_config, GenerationConfig()
    try:
        yield
    finally:
        inner.generation_config = own
