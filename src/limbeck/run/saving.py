"""What a training leaves behind: a plain model folder, and how it went."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from limbeck.files import new_folder
from limbeck.ranks import rank, wait_for_everyone
from limbeck.training import Fit


def as_result(done: Fit) -> dict[str, Any]:
    """How a training went, in the words of ``results.json``."""
    result = asdict(done)
    del result["memory"]
    result["supervised_tokens"] = result.pop("tokens")
    return result


def finite(values: list[float]) -> list[float | None]:
    """The values, with None for those that JSON does not know."""
    return [value if math.isfinite(value) else None for value in values]


def plain(model: Any) -> Any:
    """A transformers model without adapters: a trained one is merged into its base."""
    if not hasattr(model, "merge_and_unload"):
        return model
    for name in [n for n in model.peft_config if n != model.active_adapter]:
        model.delete_adapter(name)
    return model.merge_and_unload()


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a folder that ``AutoModelForCausalLM`` loads; it is whole or not there."""
    if rank() == 0:
        with new_folder(folder) as partial:
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
    wait_for_everyone()
