"""Which ids end a completion, and which fill a batch."""

from typing import Any

from torch import nn


def end_ids(tokenizer: Any, model: nn.Module | None = None) -> set[int]:
    """The end-of-sequence ids of a tokenizer and, where it names more, of a model.

    Chat models often end a turn with another token than ``eos_token``; their generation
    configuration then lists both.
    """
    ends = {tokenizer.eos_token_id}
    listed = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ends.update(listed if isinstance(listed, list) else [listed])
    return {i for i in ends if i is not None}


def pad_id(tokenizer: Any) -> int:
    """The padding id; the end-of-sequence id, or 0, where the tokenizer has none.

    Masks are made from labels and lengths, so it does not matter that it may be a real token.
    """
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0):
        if candidate is not None:
            return int(candidate)
    raise AssertionError("unreachable")
