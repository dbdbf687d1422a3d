"""From a recipe's words to tokenizers and models."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.data import character_tokenizer
from limbeck.errors import RequestError
from limbeck.recipe import Lora, ModelSpec

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def place(spec: ModelSpec) -> str | None:
    """Hub id or folder to load from; a finished run means the student it made."""
    if spec.model is None:
        return None
    folder = Path(spec.model).expanduser()
    if (folder / "student" / "config.json").is_file():
        return str(folder / "student")
    return str(folder) if folder.exists() else spec.model


def load_tokenizer(spec: ModelSpec, name: str) -> "PreTrainedTokenizerBase | None":
    """The tokenizer of a model, or None where the spec names none of its own.

    Raises:
        RequestError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    if spec.tokenizer == "characters":
        return character_tokenizer()
    source = spec.tokenizer or place(spec)
    if source is None:
        return None
    with _loading(name, source, "tokenizer"):
        return AutoTokenizer.from_pretrained(source, **_where_from(spec))


def load_config(spec: ModelSpec, name: str, tokenizer: Any) -> "PretrainedConfig":
    """The configuration of the model that `load_model` would build.

    Raises:
        RequestError: It cannot be loaded, or a setting does not fit.
    """
    from transformers import AutoConfig

    source = place(spec)
    settings = dict(spec.config or {})
    if source is None:
        model_type = settings.pop("model_type")
        with _building(f"{name}.config"):
            return AutoConfig.for_model(model_type, **_special_ids(tokenizer), **settings)
    with _loading(name, source, "configuration"):
        config = AutoConfig.from_pretrained(source, **_where_from(spec))
    text = config.get_text_config()
    for key, value in settings.items():
        if not hasattr(text, key):
            raise RequestError(
                f"{type(text).__name__} has no setting {key!r}",
                where=f"{name}.config.{key}",
                mend="see the model's config.json",
            )
        setattr(text, key, value)
    if spec.layers is not None:
        text.num_hidden_layers = len(kept_layers(spec, text.num_hidden_layers, name))
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[: text.num_hidden_layers]
    elif "num_hidden_layers" in settings and getattr(text, "layer_types", None):
        text.layer_types = (text.layer_types * text.num_hidden_layers)[: text.num_hidden_layers]
    return config


def load_model(
    spec: ModelSpec, name: str, tokenizer: Any, seed: int, dtype: str
) -> "PreTrainedModel":
    """Build or load a model on the CPU, without a trained adapter.

    Args:
        spec: What the recipe says.
        name: ``student`` or ``teacher``, for messages.
        tokenizer: Gives size and special ids to a model that starts from scratch.
        seed: Of new weights.
        dtype: Where the spec says nothing.

    Raises:
        RequestError: It cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM

    source, dtype = place(spec), spec.dtype or dtype
    if source is None or spec.fresh:
        config = load_config(spec, name, tokenizer)
        with torch.random.fork_rng(devices=[]), _building(name):
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(
                config, trust_remote_code=spec.trust_remote_code
            )
        return model if dtype in ("auto", "float32") else model.to(getattr(torch, dtype))
    with _loading(name, source, "weights"):
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, **_where_from(spec)
        )
    if spec.layers is not None:
        keep_layers(
            model, kept_layers(spec, model.config.get_text_config().num_hidden_layers, name)
        )
    if spec.adapter is not None:
        from peft import PeftModel

        with _loading(name, spec.adapter, "adapter"):
            model = PeftModel.from_pretrained(model, spec.adapter).merge_and_unload()
    return model


def device() -> "torch.device":
    """Where models work: this process's accelerator, or the CPU."""
    import torch

    found = torch.accelerator.current_accelerator()
    if found is None:
        return torch.device("cpu")
    return torch.device(found.type, int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """How products of float32 tensors are computed while some work runs.

    Args:
        name: ``highest`` is float32; ``high`` and ``medium`` let the machine's matrix units round
            the factors (TensorFloat-32, bfloat16) and add up in float32.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


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


def add_lora(model: Any, lora: Lora) -> Any:
    """Wrap a model so that only a fresh adapter trains.

    The head is left out: the loss reads it as one matrix.
    """
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora.model_dump()))


def parameters(model: Any) -> int:
    """Number of parameters, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def parameters_of(config: Any) -> int:
    """Number of parameters that a configuration makes, without making them."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return parameters(AutoModelForCausalLM.from_config(config))


def fingerprint(spec: ModelSpec) -> str:
    """A hash of what a spec loads: of the files of a folder, of the words for a hub id."""
    digest = hashlib.blake2b(spec.model_dump_json(exclude={"sft"}).encode(), digest_size=16)
    for source in (place(spec), spec.adapter):
        folder = Path(source) if source else None
        if folder and folder.is_dir():
            for file in sorted(folder.glob("*")):
                if file.suffix in (".safetensors", ".json"):
                    digest.update(file.name.encode())
                    digest.update(file_hash(file))
    return digest.hexdigest()


def file_hash(file: Path) -> bytes:
    """Of what a file holds. Weights are large: unless it has changed, it is read once."""
    stat = file.stat()
    return _file_hash(file, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _file_hash(file: Path, size: int, modified: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


def _layers(model: Any, count: int) -> Any:
    from torch import nn

    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count)


def _special_ids(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _where_from(spec: ModelSpec) -> dict[str, Any]:
    return {"revision": spec.revision or "main", "trust_remote_code": spec.trust_remote_code}


@contextlib.contextmanager
def _loading(name: str, source: str, what: str) -> Iterator[None]:
    """Turn the many ways in which loading fails into one message."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:
        local = Path(source).exists()
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:200] if lines else type(error).__name__
        mend = (
            "the folder needs config.json, tokenizer.json and model.safetensors; weights in other formats are refused"
            if local
            else "check the spelling; without a connection to the hub, give a local folder"
        )
        raise RequestError(
            f"the {name}'s {what} cannot be loaded: {reason}", where=f"{name}: {source}", mend=mend
        ) from error


@contextlib.contextmanager
def _building(where: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        lines = str(error).strip().splitlines()
        raise RequestError(
            f"no model can be built from this configuration: {lines[0][:200] if lines else error!r}",
            where=where,
            mend="see the settings of that model_type in transformers",
        ) from error
