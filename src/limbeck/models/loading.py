"""From a recipe's words to tokenizers, configurations and weights."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.data import character_tokenizer
from limbeck.errors import RequestError
from limbeck.models.layers import keep_layers, kept_layers
from limbeck.models.places import place
from limbeck.recipe import ModelSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


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
        model = model if dtype in ("auto", "float32") else model.to(getattr(torch, dtype))
    else:
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


def load_adapters(model: Any, folders: Mapping[str, Path], name: str) -> Any:
    """Put PEFT adapters on one base, side by side and frozen; the first is active.

    Args:
        model: The base; it is changed in place.
        folders: Adapter names, without dots, and where they lie.
        name: ``student`` or ``teacher``, for messages.

    Raises:
        RequestError: One cannot be loaded on this base.
    """
    from peft import PeftModel

    wrapped: Any = None
    for adapter, folder in folders.items():
        with _loading(name, str(folder), "adapter"):
            if wrapped is None:
                wrapped = PeftModel.from_pretrained(model, folder, adapter_name=adapter)
            else:
                wrapped.load_adapter(folder, adapter_name=adapter)
    return wrapped


def parameters(model: Any) -> int:
    """Number of parameters, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def parameters_of(config: Any) -> int:
    """Number of parameters that a configuration makes, without making them."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return parameters(AutoModelForCausalLM.from_config(config))


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
