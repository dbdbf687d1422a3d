"""A decoding loop over unmodified transformers modules."""

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import GenerationMixin

from limbeck.engines.base import Completion, Sampling
from limbeck.engines.cache import growing_cache, is_plain
from limbeck.engines.forward import Forward
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
    forward = Forward(causal_lm(model), prompts, pad, vocabulary)
    return write(
        lambda uniform: sample(forward.logits()[:, 0], uniform, sampling),
        [forward],
        uniforms,
        pad,
        ends,
    )


@torch.no_grad()
def write(
    draw: Callable[[Tensor], tuple[Tensor, Tensor]],
    forwards: Sequence[Forward],
    uniforms: Tensor,
    pad: int,
    ends: Sequence[int],
) -> Written:
    """Let ``draw`` write token after token until each row has ended or is full.

    Args:
        draw: From a number for each row that still goes on to its next token and log-probability.
        forwards: The models that ``draw`` asks; all read all tokens. The first one's device is used.
        uniforms: What decides about each token, ``[B, max_new_tokens]``.
        pad: Id to fill with.
        ends: Ids that end a completion.

    Raises:
        LimbeckError: The logits define no distribution.
    """
    device, (count, limit) = forwards[0].device, uniforms.shape
    # Looking whether all have ended makes the host wait for a GPU, so it looks now and then.
    patience = 1 if device.type == "cpu" else 8
    stops = torch.tensor(list(ends), dtype=torch.long, device=device)
    uniforms = uniforms.to(device)
    tokens = torch.full((count, limit), pad, device=device)
    log_probs = torch.zeros((count, limit), device=device)
    rows = torch.arange(count, device=device)  # which prompts the batch still holds
    ended = torch.zeros(count, dtype=torch.bool, device=device)
    for step in range(limit):
        token, log_prob = draw(uniforms[rows, step])
        tokens[rows, step], log_probs[rows, step] = token, log_prob
        ended |= torch.isin(token, stops)
        if (step + 1) % patience == 0 or step + 1 == limit:
            check_finite(log_probs[:, : step + 1], forwards)
            going = (~ended).nonzero().squeeze(1)
            if not len(going):
                break
            # Copying the cache costs about a step's attention: worth it for an eighth of the rows.
            if len(ended) - len(going) >= max(1, len(ended) // 8):
                for forward in forwards:
                    forward.keep(going)
                token, rows, ended = token[going], rows[going], ended[going]
        for forward in forwards:
            forward.append(token[:, None])
    return tokens.tolist(), log_probs.tolist()


def cut(tokens: Sequence[int], log_probs: Sequence[float], ends: Sequence[int]) -> Completion:
    """One row of what is `Written`, up to its end."""
    end = next((i + 1 for i, t in enumerate(tokens) if t in ends), None)
    return Completion(tuple(tokens[:end]), tuple(log_probs[:end]), end is not None)


def check_finite(log_probs: Tensor, forwards: Sequence[Forward]) -> None:
    """Assert that tokens were drawn from distributions.

    Args:
        log_probs: Of the tokens so far, ``[B, steps]``.
        forwards: The models that were asked, to be named.

    Raises:
        LimbeckError: One is not finite, so some logits define no distribution.
    """
    if log_probs.isfinite().all():
        return
    row, step = (~log_probs.isfinite()).nonzero()[0].tolist()
    names = " or ".join(type(forward.model).__name__ for forward in forwards)
    raise LimbeckError(
        "the model's logits are not numbers (NaN or infinite), so no token can be drawn",
        where=f"{names}, new token {step + 1} of prompt {row + 1} in its batch",
        mend="the weights may have diverged (lower the learning rate), or overflow in float16 "
        "(load the model in bfloat16 or float32)",
    )
