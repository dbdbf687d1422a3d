"""What every encoding of a teacher's signal offers."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.targets import Need, Projected, Target

Columns = Mapping[str, NDArray[Any]]

_BLOCK = 2**24  # logits in work at once: 64 MiB


class Encoding(Protocol):
    """A way to keep what the teacher said, from hidden states to bytes to a `Target`.

    Attributes:
        name: On the command line and in the manifest.
        serves: What a method may need of this target; see `limbeck.methods.Method.needs`.
        ragged: Columns with an entry for each drawn token; all others have a row for each
            supervised token. With such columns, ``drawn`` says how many entries a token has.
    """

    name: str
    serves: frozenset[Need]
    ragged: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """What `limbeck.caching.encodings.from_manifest` needs to make it again."""
        ...

    @property
    def bytes_per_token(self) -> int:
        """Size of a supervised token in a shard; of ragged ones the most."""
        ...

    def encode(self, shown: Projected, seed: int) -> dict[str, NDArray[Any]]:
        """The columns of some supervised tokens.

        Args:
            shown: What the teacher says at each, ``[n]``.
            seed: Of draws.
        """
        ...

    def target(self, columns: Columns, device: torch.device) -> Target:
        """What the columns say."""
        ...


def log_probabilities(shown: Projected) -> Iterator[Tensor]:
    """The teacher's log-probabilities, ``[n, V]`` float32 or float64, a block of tokens at a time."""
    size = max(1, _BLOCK // shown.head.weight.shape[0])
    for start in range(0, len(shown.hidden), size):
        logits = shown.head.logits(shown.hidden[start : start + size])
        yield logits.log_softmax(-1)


def joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Columns of successive tokens, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def raw_bits(values: Tensor) -> NDArray[Any]:
    """A tensor as integers of its width: NumPy knows no bfloat16."""
    kind = {2: torch.int16, 4: torch.int32}[values.dtype.itemsize]
    return values.detach().cpu().contiguous().view(kind).numpy()


def tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array as a tensor where it is needed; read-only memory is copied."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(
        device, non_blocking=True
    )
