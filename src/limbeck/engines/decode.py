"""A decoding loop over unmodified transformers modules."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin

from limbeck.engines.base import Sampling
from limbeck.engines.cache import growing_cache, is_plain
from limbeck.engines.sampler import sample
from limbeck.errors import LimbeckError
from limbeck.targets import causal_lm

Written = tuple[list[list[int]], list[list[float]]]
"""Tokens and their log-probabilities for each prompt; what follows an end is of no meaning."""


def can_decode(model: nn.Module) -> bool:
    """Whether `decode` knows all that the model's own ``generate`` would do.

    It does for a decoder that keeps keys and values by position and takes the usual inputs. A
    family that prepares its inputs in a way of its own, a recurrent state, an encoder, or a
    learned prompt (PEFT's prefix and prompt tuning) is left to ``generate``.
    """
    inner = causal_lm(model)
    adapter = getattr(model, "active_peft_config", None)
    own = type(inner).prepare_inputs_for_generation
    return (
        not getattr(adapter, "is_prompt_learning", False)
        and not inner.config.is_encoder_decoder
        and own is GenerationMixin.prepare_inputs_for_generation
        and "past_key_values" in inspect.signature(inner.forward).parameters
        and is_plain(growing_cache(inner.config))
        and inner.device.type != "mps"  # it has no float64 to sample with
    )


# Not inference_mode: buffers that a forward pass renews (rotary tables) would stay behind as
# inference tensors, which training may not differentiate through. It is no faster either.
@torch.no_grad()
def decode(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    uniforms: Tensor,
    pad: int,
    ends: Sequence[int],
    vocabulary: int | None = None,
) -> Written:
    """Continue a batch of prompts until each has ended or is full.

    Args:
        model: A model in evaluation mode of which `can_decode` is true.
        prompts: Ids; none is empty.
        sampling: How tokens are chosen, and how many.
        uniforms: What decides about each token, ``[B, max_new_tokens]``, float64, in [0, 1).
        pad: Id to fill with; it is masked.
        ends: Ids that end a completion.
        vocabulary: Ids from here on are never drawn.

    Raises:
        LimbeckError: The logits define no distribution.
    """
    forward = _Forward(causal_lm(model), prompts, pad)
    device, limit = forward.device, sampling.max_new_tokens
    # Looking whether all have ended makes the host wait for a GPU, so it looks now and then.
    patience = 1 if device.type == "cpu" else 8
    stops = torch.tensor(list(ends), dtype=torch.long, device=device)
    uniforms = uniforms.to(device)
    tokens = torch.full((len(prompts), limit), pad, device=device)
    log_probs = torch.zeros((len(prompts), limit), device=device)
    rows = torch.arange(len(prompts), device=device)  # which prompts the batch still holds
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    for step in range(limit):
        logits = forward.logits()[:, :vocabulary]
        token, log_prob = sample(logits, uniforms[rows, step], sampling)
        tokens[rows, step], log_probs[rows, step] = token, log_prob
        ended |= torch.isin(token, stops)
        if (step + 1) % patience == 0 or step + 1 == limit:
            _check(log_probs[:, : step + 1], causal_lm(model))
            going = (~ended).nonzero().squeeze(1)
            if not len(going):
                break
            # Copying the cache costs about a step's attention: worth it for an eighth of the rows.
            if len(ended) - len(going) >= max(1, len(ended) // 8):
                forward.keep(going)
                token, rows, ended = token[going], rows[going], ended[going]
        forward.append(token)
    return tokens.tolist(), log_probs.tolist()


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, ``[B, T]``: a model goes on at the right."""
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    return ids, mask


class _Forward:
    """A batch on its way through the model: what it has read, and what comes next."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], pad: int):
        ids, mask = left_padded(prompts, pad)
        self.device = next(model.parameters()).device
        self.model, self.cache = model, growing_cache(model.config)
        self.ids, mask = ids.to(self.device), mask.to(self.device)
        self.positions = (mask.cumsum(1) - 1).clamp(min=0)
        # Without padding there is nothing to mask, and attention is faster for it.
        self.mask = mask if min(map(len, prompts)) < ids.shape[1] else None
        self.accepted = inspect.signature(model.forward).parameters

    def logits(self) -> Tensor:
        """Read the tokens at hand; the logits of the token after them, ``[B, V]``.

        The whole model is called, head included: its family may scale or cap the logits.
        """
        optional = {"position_ids": self.positions, "logits_to_keep": 1}
        out = self.model(
            input_ids=self.ids,
            attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
            return_dict=True,
            **{name: value for name, value in optional.items() if name in self.accepted},
        )
        last: Tensor = out.logits[:, -1]
        return last

    def append(self, tokens: Tensor) -> None:
        """The next token of each row, ``[B]``."""
        self.ids, self.positions = tokens[:, None], self.positions[:, -1:] + 1
        if self.mask is not None:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows."""
        self.cache.batch_select_indices(rows)
        self.positions = self.positions[rows]
        self.mask = None if self.mask is None else self.mask[rows]


def _check(log_probs: Tensor, model: nn.Module) -> None:
    if log_probs.isfinite().all():
        return
    row, step = (~log_probs.isfinite()).nonzero()[0].tolist()
    raise LimbeckError(
        "the model's logits are not numbers (NaN or infinite), so no token can be drawn",
        where=f"{type(model).__name__}, new token {step + 1} of prompt {row + 1} in its batch",
        mend="the weights may have diverged (lower the learning rate), or overflow in float16 "
        "(load the model in bfloat16 or float32)",
    )
