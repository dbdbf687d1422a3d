"""The k likeliest tokens, and the mass of the others."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.caching import bits, codes
from limbeck.caching.encoding import Columns, joined, log_probabilities, tensor
from limbeck.targets import Need, Projected, TopK

Form = Literal["packed", "f16", "f32"]
UNSEEN = 1e-7
"""Least mass of the others where only the kept tokens are known: less is their rounding."""


@dataclass(frozen=True)
class TopKEncoding:
    """Ids, log-probabilities and the rest, in one of three forms.

    ``packed`` takes 18 bits for an id (V = 151,936) and 8 for its log-probability (`codes`: off by
    at most 1/32 nat down to -12, 1/8 down to -27.75); a factor per token, kept beside, makes the
    decoded probabilities and the rest sum to 1. ``f16`` and ``f32`` keep 32-bit ids and
    log-probabilities of that precision.

    Attributes:
        vocabulary: V.
        k: Tokens kept, at most V.
        form: See above.
    """

    vocabulary: int
    k: int
    form: Form = "packed"

    serves: ClassVar[frozenset[Need]] = frozenset({"average", "events"})
    ragged: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return "topk" if self.form == "packed" else f"topk-{self.form}"

    @property
    def parameters(self) -> dict[str, Any]:
        """See `Encoding`."""
        return asdict(self)

    @property
    def bytes_per_token(self) -> int:
        """See `Encoding`."""
        if self.form == "packed":
            return 3 * self.k + bits.packed_width(self.k, self.vocabulary) + 4
        return (6 if self.form == "f16" else 8) * self.k + 4

    def encode(self, shown: Projected, seed: int) -> dict[str, NDArray[Any]]:
        """See `Encoding`; nothing is drawn."""
        return joined([self._block(log_p) for log_p in log_probabilities(shown)])

    def target(self, columns: Columns, device: torch.device) -> TopK:
        """See `Encoding`."""
        if self.form == "packed":
            ids = bits.join(columns["low"], columns["high"], self.vocabulary)
            log_p = codes.from_codes(columns["code"])
            log_p -= columns["log_sum"].astype(np.float32)[:, None]
        else:
            ids, log_p = columns["ids"], columns["log_p"]
        rest = columns["log_rest"]
        return TopK(tensor(ids, device), tensor(log_p, device), tensor(rest, device).float())

    def _block(self, log_p: Tensor) -> dict[str, NDArray[Any]]:
        top = log_p.topk(self.k, dim=-1)
        others = log_p.scatter(-1, top.indices, -torch.inf)
        rest = others.logsumexp(-1).float().cpu().numpy()
        return self._packed(top.indices.cpu().numpy(), top.values.float().cpu().numpy(), rest)

    def shown(self, ids: NDArray[np.int64], log_p: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """The columns of what somebody shows of a distribution: the rest is what misses to 1.

        Args:
            ids: The k likeliest tokens at each position, ``[n, k]``.
            log_p: Their log-probabilities.
        """
        missing = 1 - np.exp(log_p).sum(-1)
        rest = np.log(missing.clip(UNSEEN, 1)) if self.k < self.vocabulary else missing - np.inf
        return self._packed(ids, log_p.astype(np.float32), rest.astype(np.float32))

    def _packed(
        self, ids: NDArray[np.int64], values: NDArray[np.float32], rest: NDArray[np.float32]
    ) -> dict[str, NDArray[Any]]:
        if self.form != "packed":
            kind = np.float16 if self.form == "f16" else np.float32
            return {"ids": ids.astype(np.int32), "log_p": values.astype(kind), "log_rest": rest}
        low, high = bits.split(ids, self.vocabulary)
        code = codes.to_codes(values)
        total = np.exp(codes.from_codes(code)).sum(-1) + np.exp(rest)
        log_sum = np.log(total).astype(np.float16)
        rest = (rest - log_sum).astype(np.float16)
        return {"low": low, "high": high, "code": code, "log_sum": log_sum, "log_rest": rest}
