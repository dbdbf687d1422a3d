"""The teacher's last hidden states: everything, to be multiplied with its head again."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from numpy.typing import NDArray

from limbeck.caching.encoding import Columns, raw_bits, tensor
from limbeck.divergences import Head
from limbeck.targets import Need, Projected

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class HiddenEncoding:
    """Hidden states in the precision of the teacher (exact) or in bfloat16; the head lies beside.

    Attributes:
        vocabulary: V.
        width: Hidden size of the teacher.
        precision: Of the stored states.
        head: The teacher's; None while nothing is decoded.
    """

    vocabulary: int
    width: int
    precision: Precision
    head: Head | None = None

    name: ClassVar[str] = "hidden"
    serves: ClassVar[frozenset[Need]] = frozenset({"average", "events", "logits"})
    ragged: ClassVar[tuple[str, ...]] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """See `Encoding`."""
        return {
            "vocabulary": self.vocabulary,
            "width": self.width,
            "precision": self.precision,
        }

    @property
    def bytes_per_token(self) -> int:
        """See `Encoding`."""
        return self.width * self._type.itemsize

    def encode(self, shown: Projected, seed: int) -> dict[str, NDArray[Any]]:
        """See `Encoding`; nothing is drawn."""
        return {"hidden": raw_bits(shown.hidden.to(self._type))}

    def target(self, columns: Columns, device: torch.device) -> Projected:
        """See `Encoding`."""
        if self.head is None:
            raise ValueError("hidden states mean nothing without the teacher's head")
        return Projected(tensor(columns["hidden"], device).view(self._type), self.head)

    @property
    def _type(self) -> torch.dtype:
        return cast(torch.dtype, getattr(torch, self.precision))
