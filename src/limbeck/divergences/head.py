"""From hidden states to logits."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Head:
    """A language-model head: ``softcap(scale * (hidden @ weight.T + bias))``.

    Attributes:
        weight: ``[V, H]``.
        bias: ``[V]`` or None.
        scale: Factor on the logits (Cohere's ``logit_scale``, one over Granite's
            ``logits_scaling``).
        softcap: Bound c of ``c * tanh(logits / c)`` (Gemma), or None.
    """

    weight: Tensor
    bias: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def project(self, hidden: Tensor) -> Tensor:
        """Raw products, ``[N, H] -> [N, V]``, in float32 or, for float64 hidden states, float64."""
        dtype = accumulation_dtype(hidden)
        raw = hidden.to(dtype) @ self.weight.to(dtype).T
        return raw if self.bias is None else raw + self.bias.to(dtype)

    def finish(self, raw: Tensor) -> Tensor:
        """Scale and soft-cap raw products."""
        logits = raw if self.scale == 1.0 else raw * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits ``[N, V]`` of hidden states ``[N, H]``."""
        return self.finish(self.project(hidden))

    def narrow(self, vocabulary: int) -> "Head":
        """Keep the first ``vocabulary`` events.

        Models of one family pad their heads to different sizes; two softmaxes are comparable
        only over the ids that the tokenizer really has.
        """
        if self.weight.shape[0] == vocabulary:
            return self
        bias = None if self.bias is None else self.bias[:vocabulary]
        return replace(self, weight=self.weight[:vocabulary], bias=bias)


def accumulation_dtype(hidden: Tensor) -> torch.dtype:
    """Float64 for float64, float32 for everything else."""
    return torch.float64 if hidden.dtype == torch.float64 else torch.float32
