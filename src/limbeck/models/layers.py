"""What is left out of a model, and what is put on top of it."""

from typing import Any

from limbeck.errors import RequestError
from limbeck.recipe import Lora, ModelSpec


def kept_layers(spec: ModelSpec, total: int, name: str) -> list[int]:
    """Indices of the decoder layers that stay; first and last always do with ``every_second``."""
    if spec.layers == "every_second":
        half = max(1, total // 2)
        return [round(i * (total - 1) / max(half - 1, 1)) for i in range(half)]
    assert isinstance(spec.layers, list)
    wrong = [i for i in spec.layers if not 0 <= i < total]
    if wrong or not spec.layers:
        raise RequestError(
            f"there is no layer {wrong}",
            where=f"{name}.layers",
            mend=f"layers are 0 to {total - 1}",
        )
    return sorted(set(spec.layers))


def keep_layers(model: Any, kept: list[int]) -> None:
    """Drop all decoder layers but ``kept``, in place."""
    from torch import nn

    text = model.config.get_text_config()
    for module in model.modules():
        for key, child in list(module.named_children()):
            if isinstance(child, nn.ModuleList) and len(child) == text.num_hidden_layers:
                setattr(module, key, nn.ModuleList(child[i] for i in kept))
    if getattr(text, "layer_types", None):
        text.layer_types = [text.layer_types[i] for i in kept]
    text.num_hidden_layers = len(kept)
    for index, layer in enumerate(_layers(model, len(kept))):
        for part in layer.modules():  # the key-value cache is addressed by this number
            if hasattr(part, "layer_idx"):
                part.layer_idx = index


def add_lora(model: Any, lora: Lora, seed: int = 0) -> Any:
    """Wrap a model so that only a fresh adapter trains.

    The head is left out: the loss reads it as one matrix.

    Args:
        model: The base; it is changed in place.
        lora: The adapter's form.
        seed: Of the adapter's new weights.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        wrapped = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora.model_dump()))
    config = wrapped.peft_config[wrapped.active_adapter]
    if isinstance(config.target_modules, set):  # whose order, and a saved file's, is by chance
        config.target_modules = sorted(config.target_modules)
    return wrapped


def _layers(model: Any, count: int) -> Any:
    from torch import nn

    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count)
