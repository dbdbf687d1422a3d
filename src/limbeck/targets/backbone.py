"""Last hidden states and head of a transformers causal language model."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.divergences import Head
from limbeck.errors import LimbeckError


def causal_lm(model: Any) -> Any:
    """The transformers model inside the wrappers of DDP, torch.compile and PEFT."""
    while True:
        if hasattr(model, "module"):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif hasattr(model, "get_base_model"):
            model = model.get_base_model()
        else:
            return model


def last_hidden(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """Hidden states that the head would see, ``[B, T, H]``.

    The call goes through the outermost module, because DDP synchronises gradients only for
    forward passes it has seen; the head itself is given a single position to work on.
    """
    inner = causal_lm(model)
    seen: list[Tensor] = []
    hook = inner.get_decoder().register_forward_hook(lambda _m, _args, out: seen.append(out[0]))
    try:
        model(**_inputs(inner, batch))
    finally:
        hook.remove()
    return seen[0]


def head_of(model: nn.Module, vocabulary: int | None = None) -> Head:
    """The head as plain tensors, narrowed to the first ``vocabulary`` ids.

    Raises:
        LimbeckError: The head is no plain linear layer.
    """
    inner = causal_lm(model)
    layer = inner.get_output_embeddings()
    # PEFT's modules_to_save keeps a trainable copy of the layer beside the original.
    if hasattr(layer, "modules_to_save"):
        plain = layer.disable_adapters  # the base model is speaking
        layer = layer.original_module if plain else layer.modules_to_save[layer.active_adapters[0]]
    if type(layer) is not nn.Linear:
        raise LimbeckError(
            f"the head of this model is a {type(layer).__name__}, and only linear heads are supported",
            where=type(inner).__name__,
            mend="leave lm_head out of the LoRA target modules (or name it in modules_to_save)",
        )
    config = inner.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0
    softcap = getattr(config, "final_logit_softcapping", None)
    head = Head(layer.weight, layer.bias, float(scale), softcap)
    return head if vocabulary is None else head.narrow(vocabulary)


@torch.no_grad()
def check_head(model: nn.Module, name: str) -> None:
    """Assert that `last_hidden` and `head_of` reproduce the model's own logits.

    Families bend their logits in their own ways (scales, caps, biases); a wrong guess would train
    towards the wrong distribution in silence, so it is compared once, on two tokens.

    Raises:
        LimbeckError: They differ.
    """
    inner = causal_lm(model)
    ids = torch.tensor([[1, 2]], device=next(inner.parameters()).device)
    training = inner.training
    inner.eval()
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    ours = head_of(inner).logits(last_hidden(inner, batch)[0])
    theirs = inner(**batch).logits[0].float()
    inner.train(training)
    tolerance = 1e-3 if theirs.dtype == torch.float32 and inner.dtype == torch.float32 else 5e-2
    scale = theirs.abs().max().clamp(min=1.0)
    if ours.shape != theirs.shape or (ours - theirs).abs().max() > tolerance * scale:
        raise LimbeckError(
            f"the {name} makes its logits in a way Limbeck does not know",
            where=type(inner).__name__,
            mend="please report the model family; the loss would be computed on wrong logits",
        )


def _inputs(inner: Any, batch: Mapping[str, Any]) -> dict[str, object]:
    accepted = inspect.signature(inner.forward).parameters
    extras: dict[str, object] = {"use_cache": False, "logits_to_keep": 1}
    if "position_ids" in batch:
        extras["position_ids"] = batch["position_ids"]
    return {
        "input_ids": batch["input_ids"],
        "attention_mask": batch["attention_mask"],
        **{key: value for key, value in extras.items() if key in accepted},
    }
