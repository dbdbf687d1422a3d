"""Generation with transformers' own ``generate``, for models that `decode` does not know."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from limbeck.engines.base import Sampling
from limbeck.engines.decode import Written
from limbeck.engines.forward import left_padded
from limbeck.targets import causal_lm


@torch.no_grad()
def generate(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    pad: int,
    ends: Sequence[int],
    vocabulary: int | None = None,
) -> Written:
    """Continue a batch of prompts; see `decode`. Call it within `seeded`."""
    ids, mask = left_padded(prompts, pad)
    device = next(model.parameters()).device
    watch = _Watch(vocabulary)
    with _plain(model):
        out = model.generate(  # type: ignore[operator]
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=_config(sampling, pad, ends),
            logits_processor=LogitsProcessorList([watch]),
        )
    return out[:, ids.shape[1] :].tolist(), watch.finish(out).tolist()


def generate_each(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    seeds: Sequence[int],
    pad: int,
    ends: Sequence[int],
    vocabulary: int | None = None,
) -> Written:
    """Continue prompts one by one, each with a seed of its own."""
    tokens, log_probs = [], []
    for prompt, seed in zip(prompts, seeds, strict=True):
        with seeded(seed, model):
            (own,), (its,) = generate(model, [prompt], sampling, pad, ends, vocabulary)
        tokens.append(own)
        log_probs.append(its)
    return tokens, log_probs


@torch.no_grad()
def search(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    pad: int,
    ends: Sequence[int],
    vocabulary: int | None = None,
) -> list[list[int]]:
    """The likeliest completion that a beam search finds for each prompt of a batch."""
    ids, mask = left_padded(prompts, pad)
    device = next(model.parameters()).device
    settings = GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        num_beams=sampling.num_beams,
        do_sample=False,
        pad_token_id=pad,
        eos_token_id=list(ends) or None,
    )
    with _plain(model):
        out = model.generate(  # type: ignore[operator]
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([_Narrow(vocabulary)]),
        )
    found: list[list[int]] = out[:, ids.shape[1] :].tolist()
    return found


@contextlib.contextmanager
def seeded(seed: int, model: nn.Module) -> Iterator[None]:
    """Sample from ``seed`` and leave the training's own random numbers as they were."""
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(seed)
        yield


def _config(sampling: Sampling, pad: int, ends: Sequence[int]) -> GenerationConfig:
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
        pad_token_id=pad,
        eos_token_id=list(ends) or None,
        **chosen,
    )


class _Narrow(LogitsProcessor):
    """Gives padded rows of a head no probability."""

    def __init__(self, vocabulary: int | None):
        self.vocabulary = vocabulary

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self.vocabulary is None or self.vocabulary >= scores.shape[-1]:
            return scores
        scores = scores.clone()
        scores[:, self.vocabulary :] = -torch.inf
        return scores


class _Watch(_Narrow):
    """Notes the log-probability of each sampled token while generation runs.

    ``generate`` can return all scores instead, but that is ``[steps, B, V]``. The processor sees
    a step's scores before its token is drawn, so it reads the token at the next step.
    """

    def __init__(self, vocabulary: int | None):
        super().__init__(vocabulary)
        self.last: Tensor | None = None
        self.taken: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._note(input_ids)
        scores = super().__call__(input_ids, scores)
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
