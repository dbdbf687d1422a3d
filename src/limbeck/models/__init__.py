"""From a recipe's words to tokenizers and models."""

from limbeck.models.layers import add_lora, keep_layers, kept_layers
from limbeck.models.loading import (
    load_adapters,
    load_config,
    load_model,
    load_tokenizer,
    parameters,
    parameters_of,
)
from limbeck.models.machine import device, matmul_precision
from limbeck.models.places import checkpoints, file_hash, fingerprint, is_adapter, place

__all__ = [
    "add_lora",
    "checkpoints",
    "device",
    "file_hash",
    "fingerprint",
    "is_adapter",
    "keep_layers",
    "kept_layers",
    "load_adapters",
    "load_config",
    "load_model",
    "load_tokenizer",
    "matmul_precision",
    "parameters",
    "parameters_of",
    "place",
]
