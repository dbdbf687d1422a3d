"""A batch on its way through a model: read some tokens, ask for logits, take tokens back."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from limbeck.engines.cache import growing_cache, shift


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, ``[B, T]``: a model goes on at the right."""
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    return ids, mask


class Forward:
    """Texts of one batch, the last tokens of which a model may not have read yet.

    All rows end in the same column; padding stands at the left. So a row's length is all there is
    to know: mask and positions follow from it.

    Args:
        model: A transformers causal language model without wrappers, of which `can_decode` is true.
        prompts: Ids; none is empty.
        pad: Id to fill with; it is masked.
        vocabulary: Ids from here on get no logit.
        last: The last position that may be read, where rows may be fed beyond their end (the
            tokens are taken back, but a model with a table of positions would look outside it).
        rewinds: Whether tokens may be taken back: sliding layers then keep what left the window.
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        pad: int,
        vocabulary: int | None = None,
        last: Sequence[int] | None = None,
        rewinds: bool = False,
    ):
        ids, mask = left_padded(prompts, pad)
        self.device = next(model.parameters()).device
        self.model, self.vocabulary = model, vocabulary
        self.cache = growing_cache(model.config, windows=not rewinds)
        self.unread, self.lengths = ids.to(self.device), mask.sum(1, keepdim=True).to(self.device)
        self.last = None if last is None else torch.tensor(last, device=self.device)[:, None]
        # Without padding there is nothing to mask, and attention is faster for it.
        self.padded = min(map(len, prompts)) < ids.shape[1]
        self.accepted = inspect.signature(model.forward).parameters

    def logits(self, count: int = 1) -> Tensor:
        """Read what is unread; the logits after each of the last ``count`` tokens, ``[B, count, V]``.

        The whole model is called, head included: its family may scale or cap the logits.
        """
        optional = {"position_ids": self._positions(), "logits_to_keep": count}
        out = self.model(
            input_ids=self.unread,
            attention_mask=self._mask() if self.padded else None,
            past_key_values=self.cache,
            use_cache=True,
            return_dict=True,
            **{name: value for name, value in optional.items() if name in self.accepted},
        )
        self.unread = self.unread[:, :0]
        logits: Tensor = out.logits[:, -count:, : self.vocabulary]
        return logits

    def append(self, tokens: Tensor) -> None:
        """The next tokens of each row, ``[B, n]``."""
        self.unread = torch.cat([self.unread, tokens.to(self.device)], dim=1)
        self.lengths = self.lengths + tokens.shape[1]

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows."""
        rows = rows.to(self.device)
        self.cache.batch_select_indices(rows)
        self.unread, self.lengths = self.unread[rows], self.lengths[rows]
        self.last = None if self.last is None else self.last[rows]

    def rewind(self, surplus: Tensor) -> None:
        """Take back the last tokens of each row, as many as ``surplus [B]`` says; all are read.

        What stays moves to the right, so that rows of any length end in one column again.
        """
        self.lengths = self.lengths - surplus.to(self.device)[:, None]
        shortest, longest = (int(n) for n in self.lengths.aminmax())
        self.padded = shortest < longest
        columns = torch.arange(longest, device=self.device)
        before = self.cache.get_seq_length() - longest - surplus.to(self.device)
        shift(self.cache, (columns + before[:, None]).clamp(min=0))

    def _positions(self) -> Tensor:
        """Of the unread tokens, counted from each row's first real one, ``[B, n]``."""
        count = self.unread.shape[1]
        positions = self.lengths + torch.arange(-count, 0, device=self.device)
        positions = positions.clamp(min=0)
        return positions if self.last is None else positions.minimum(self.last)

    def _mask(self) -> Tensor:
        """1 for real tokens, read and unread, ``[B, T]``."""
        width = self.cache.get_seq_length() + self.unread.shape[1]
        return (torch.arange(width, 0, -1, device=self.device) <= self.lengths).long()
