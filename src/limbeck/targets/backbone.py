"""Last hidden states and head of a transformers causal language model."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Partial

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

    The call goes through the outermost module, and they come out with its result: DDP
    synchronises gradients only for forward passes it has seen, and FSDP gathers weights again only
    for the backward pass of what it has handed out. The head itself works on a single position.

    Under autocast they come in its dtype, as the model's own head would take them.
    """
    inner = causal_lm(model)
    seen: list[Tensor] = []

    def hand_out(_module: Any, _args: Any, out: Any) -> Any:
        out["hidden_states"] = (seen[0],)
        return out

    hooks = (
        inner.get_decoder().register_forward_hook(lambda _m, _args, out: seen.append(out[0])),
        inner.register_forward_hook(hand_out, prepend=True),  # before FSDP looks at the result
    )
    try:
        hidden: Tensor = model(**_inputs(inner, batch)).hidden_states[0]
    finally:
        for hook in hooks:
            hook.remove()
    kind = hidden.device.type
    return hidden.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else hidden


def head_of(model: nn.Module, vocabulary: int | None = None) -> Head:
    """The head as plain tensors, narrowed to the first ``vocabulary`` ids.

    One that FSDP2 has sharded is gathered once; call this after the forward pass, which may have
    gathered it already.

    Raises:
        LimbeckError: The head is no plain linear layer.
    """
    inner = causal_lm(model)
    layer = inner.get_output_embeddings()
    # PEFT's modules_to_save keeps a trainable copy of the layer beside the original.
    if hasattr(layer, "modules_to_save"):
        plain = layer.disable_adapters  # the base model is speaking
        layer = layer.original_module if plain else layer.modules_to_save[layer.active_adapters[0]]
    # Quantised layers, and some of PEFT's, inherit from Linear and compute something else.
    if not isinstance(layer, nn.Linear) or type(layer).forward is not nn.Linear.forward:
        raise LimbeckError(
            f"the head of this model is a {type(layer).__module__}.{type(layer).__name__}, "
            "and only plain linear heads are supported",
            where=type(inner).__name__,
            mend="leave lm_head out of the LoRA target modules (or name it in modules_to_save)",
        )
    config = inner.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0
    softcap = getattr(config, "final_logit_softcapping", None)
    head = Head(_whole(layer.weight), _whole(layer.bias), float(scale), softcap)
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


def _whole(parameter: Any) -> Any:
    """A parameter in one piece on every rank, with a gradient that finds its way back."""
    if not isinstance(parameter, DTensor):
        return parameter
    mesh = parameter.device_mesh
    whole = parameter.full_tensor(grad_placements=[Partial()] * mesh.ndim)
    if whole.requires_grad:  # scattering it back adds up what FSDP, like DDP, averages
        whole.register_hook(lambda gradient: gradient / mesh.size())
    return whole


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
