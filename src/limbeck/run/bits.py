"""How many bits models need for the same text, where their tokenizers may cut it differently."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.run.measured import Measured


@dataclass(frozen=True)
class Bits:
    """Bits of several models on texts that all of them read to the same end.

    Attributes:
        rows: Whether a row's text is the same for all, ``[n]``; the rest is of these rows only.
        of: Model to bits of each text.
        tokens: Model to tokens of each text.
        bytes: UTF-8 length of each text.
    """

    rows: NDArray[np.bool_]
    of: dict[str, NDArray[np.float64]]
    tokens: dict[str, NDArray[np.float64]]
    bytes: NDArray[np.float64]


def bits(measured: Mapping[str, Measured]) -> Bits | None:
    """Bits of the models that read text; None where none did, or no text is the same for all.

    Two tokenizers that stop after as many tokens stop at different words. A row counts where no
    model had to cut it, or all cut it at the same byte. Where tokenizers write the same text back
    with and without the space that it begins with, the longer one is what was read.
    """
    read = {arm: m.items for arm, m in measured.items() if _is_read(m) and not _broken(m)}
    if not read:
        return None
    sizes = np.array([items["bytes"] for items in read.values()], dtype=np.float64)
    whole = np.array([items.get("whole", [True] * sizes.shape[1]) for items in read.values()])
    rows = whole.all(axis=0) | (sizes == sizes[0]).all(axis=0)
    if not rows.any():
        return None
    columns = {
        name: {arm: np.array(items[name], dtype=np.float64)[rows] for arm, items in read.items()}
        for name in ("nats", "nats_tokens")
    }
    return Bits(
        rows,
        {arm: nats / math.log(2) for arm, nats in columns["nats"].items()},
        columns["nats_tokens"],
        sizes.max(axis=0)[rows],
    )


def reservations(measured: Mapping[str, Measured]) -> list[str]:
    """What `bits` had to leave out, and why, a sentence each."""
    broken = [arm for arm, m in measured.items() if _is_read(m) and _broken(m)]
    said = [f"bits per byte of {arm}: it gives no finite likelihood" for arm in broken]
    read = bits(measured)
    if read is None and any(_is_read(m) for m in measured.values()) and not broken:
        said.append("bits per byte: the models' tokenizers cut every text at another place")
    if read is not None and not read.rows.all():
        said.append(
            f"bits per byte of {(~read.rows).sum():,} of {read.rows.size:,} rows: the models' "
            "tokenizers cut these texts at different places"
        )
    return said


def _is_read(m: Measured) -> bool:
    return {"nats", "bytes"} <= m.items.keys()


def _broken(m: Measured) -> bool:
    return not np.isfinite(np.array(m.items["nats"], dtype=np.float64)).all()
