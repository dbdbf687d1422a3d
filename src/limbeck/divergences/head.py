"""From hidden states to logits, and back."""

from collections.abc import Iterable, Iterator
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

    def finish(self, raw: Tensor) -> Tensor:
        """Scale and soft-cap raw products."""
        logits = raw if self.scale == 1.0 else raw * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits ``[..., V]`` of hidden states ``[..., H]``, in float32 (float64 for float64)."""
        dtype = accumulation_dtype(hidden.dtype)
        raw = hidden.to(dtype) @ self.weight.to(dtype).T
        return self.finish(raw if self.bias is None else raw + self.bias.to(dtype))

    def tiles(
        self, hidden: Tensor, slices: Iterable[slice], native: bool = False
    ) -> Iterator[Tensor]:
        """Raw products of each slice of the rows; see `Products.tiles`."""
        products = Products(self.weight, hidden.dtype, native)
        return products.tiles(hidden, self.bias, slices)

    def narrow(self, vocabulary: int) -> "Head":
        """Keep the first ``vocabulary`` events.

        Models of one family pad their heads to different sizes; two softmaxes are comparable
        only over the ids that the tokenizer really has.
        """
        if self.weight.shape[0] == vocabulary:
            return self
        bias = None if self.bias is None else self.bias[:vocabulary]
        return replace(self, weight=self.weight[:vocabulary], bias=bias)


class Products:
    """The products with a head's weight, in one arithmetic.

    Half-precision operands are multiplied as they are where the device accumulates such products
    in float32 and can hand that out (CUDA); elsewhere they are widened first, which is exact as
    well. Only the gradient of the logits is rounded to half precision before its two products.

    Args:
        weight: ``[V, H]``.
        dtype: Of the hidden states.
        native: Keep logits of half-precision operands in half precision.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, native: bool = False):
        exact = accumulation_dtype(dtype)
        half = dtype if dtype.itemsize == 2 and (native or weight.is_cuda) else None
        self.operand_dtype = half or exact
        self.tile_dtype = half if half and native else exact
        self.exact = exact
        self.weight = weight.detach().to(self.operand_dtype)

    def tiles(
        self, hidden: Tensor, bias: Tensor | None, slices: Iterable[slice]
    ) -> Iterator[Tensor]:
        """``hidden @ weight.T + bias`` for each slice of the rows, ``[C, V]``.

        All tiles share one piece of memory: fresh pages cost more than what is written to them.
        """
        hidden = hidden.detach()
        memory = hidden.new_empty(0, len(self.weight), dtype=self.tile_dtype)
        for rows in slices:
            part = hidden[rows].to(self.operand_dtype)
            if len(memory) < len(part):  # slices are nearly, not quite, equal: one more row
                memory = memory.new_empty(len(part) + 1, len(self.weight))
            tile = memory[: len(part)]
            if self.tile_dtype == self.operand_dtype:
                torch.mm(part, self.weight.T, out=tile)
            else:
                torch.mm(part, self.weight.T, out_dtype=self.tile_dtype, out=tile)
            yield tile if bias is None else tile.add_(bias.detach())

    def into_hidden(self, gradient: Tensor) -> Tensor:
        """``gradient @ weight``, in the accumulation dtype.

        Args:
            gradient: For the logits, ``[C, V]`` in `operand_dtype`.
        """
        if gradient.is_cuda and self.operand_dtype != self.exact:
            return torch.mm(gradient, self.weight, out_dtype=self.exact)
        return (gradient @ self.weight).to(self.exact)

    def into_weight(self, gradient: Tensor, hidden: Tensor, total: Tensor, first: bool) -> None:
        """``total += gradient.T @ hidden``, in the accumulation dtype; the first is the total."""
        left, right, beta = gradient.T, hidden.to(self.operand_dtype), 0 if first else 1
        if self.operand_dtype == self.exact:
            torch.addmm(total, left, right, beta=beta, out=total)
        elif total.is_cuda:
            torch.addmm(total, left, right, self.exact, beta=beta, out=total)
        elif first:
            total.copy_(left @ right)
        else:
            total.add_(left @ right)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Float64 for float64, float32 for everything else."""
    return torch.float64 if dtype == torch.float64 else torch.float32
