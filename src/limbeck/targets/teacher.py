"""A model in this process as the teacher."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.targets.backbone import head_of, last_hidden
from limbeck.targets.base import Projected, Target

Teacher = Callable[[Mapping[str, Any], Tensor], Target]
"""``(batch, where) -> target``: ``where [B, T-1]`` marks the positions to judge."""


class ModelTeacher:
    """A frozen model that shows its whole distribution.

    Args:
        model: A transformers causal language model, or the student's PEFT model where ``adapter``
            is given.
        vocabulary: Number of real token ids; the head is narrowed to it.
        adapter: With a PEFT ``model`` that is also the student: the adapter that makes it the
            teacher, or ``""`` for the base model without any. One base then serves both.
    """

    def __init__(self, model: Any, vocabulary: int | None = None, adapter: str | None = None):
        self.model, self.vocabulary, self.adapter = model, vocabulary, adapter
        if adapter is None:
            model.eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, batch: Mapping[str, Any], where: Tensor) -> Target:
        """The teacher's distribution at each marked position."""
        with self.active():
            hidden = last_hidden(self.model, batch)
            return Projected(hidden[:, :-1][where], head_of(self.model, self.vocabulary))

    @contextlib.contextmanager
    def active(self) -> Iterator[nn.Module]:
        """The teacher's weights in place and in evaluation mode, for a forward pass."""
        if self.adapter is None:
            yield self.model
            return
        training, student = self.model.training, self.model.active_adapter
        self.model.eval()
        try:
            if self.adapter == "":
                with self.model.disable_adapter():
                    yield self.model
            else:
                self.model.set_adapter(self.adapter, inference_mode=True)
                yield self.model
        finally:
            self.model.set_adapter(student)
            self.model.train(training)
