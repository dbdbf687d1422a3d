"""A cache in the place of a teacher."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from limbeck.caching.cache import Cache
from limbeck.caching.text import key
from limbeck.errors import LimbeckError
from limbeck.targets import Target


class CachedTeacher:
    """Looks up what the teacher said of each sequence; a `limbeck.targets.Teacher`.

    Sequences are found by their token ids, so order, batches, epochs and padding do not matter.

    Args:
        cache: Where.
    """

    def __init__(self, cache: Cache):
        self.cache = cache

    def __call__(self, batch: Mapping[str, Any], where: Tensor) -> Target:
        """The teacher's distribution at each marked position.

        Args:
            batch: A `limbeck.data.Batch`.
            where: Marks the positions whose next token is supervised, ``[B, T-1]``.

        Raises:
            LimbeckError: A sequence is not in the cache.
        """
        ids, mask = batch["input_ids"].cpu(), batch["attention_mask"].cpu().bool()
        wanted = where.cpu()
        keys = []
        for i in range(len(ids)):
            real = ids[i][mask[i]].tolist()
            if count := int(wanted[i].sum()):
                keys.append(key(real[:-count], real[-count:]))
        # A rank without supervised tokens still takes part: no rows of any sequence.
        rows = self.cache.text.find(keys).tolist() if keys else []
        if -1 in rows:
            raise LimbeckError(
                "a sequence of this batch is not in the cache",
                where=str(self.cache.folder),
                mend="make the cache again, from the same recipe",
            )
        target = self.cache.target(rows or [0], where.device)
        return target if rows else target[:0]
