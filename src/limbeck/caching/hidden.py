"""The teacher's last hidden states: everything, to be multiplied with its head again."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import NDArray

from limbeck.caching.encoding import Columns, tensor
from limbeck.divergences import Head
from limbeck.targets import Need, Projected

Precision = Literal["float32", "bfloat16", "float16"]
_BITS = {2: torch.int16, 4: torch.int32}


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
        states = shown.hidden.to(self._type).cpu().contiguous()
        return {"hidden": states.view(_BITS[self._type.itemsize]).numpy()}

    def target(self, columns: Columns, device: torch.device) -> Projected:
        """See `Encoding`."""
        if self.head is None:
            raise ValueError("hidden states mean nothing without the teacher's head")
        return Projected(tensor(columns["hidden"], device).view(self._type), self.head)

    @property
    def _type(self) -> torch.dtype:
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[self.precision]
