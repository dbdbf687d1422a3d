"""The checkpoints that a teacher passed through while it was fine-tuned."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.console import progress, say
from limbeck.engines.special_tokens import pad_id
from limbeck.evaluation import likelihood
from limbeck.models import device, is_adapter, load_adapters, load_model
from limbeck.recipe import ModelSpec
from limbeck.run.folder import RunFolder
from limbeck.run.saving import finite
from limbeck.run.tuning import VALIDATION
from limbeck.sources import seed_for
from limbeck.targets import ModelTeacher, check_head


class Trajectory:
    """A teacher's path, first checkpoint to last; one of them is in memory at a time.

    Adapters are loaded side by side on one base, and switched. Of full models, asking for another
    lets the one before go: a caller who keeps it keeps its memory.

    Args:
        folder: The run's.
        bench: Tokenizers, and the validation rows.
        checkpoints: Their folders, in order: models, or adapters on ``base``.
        base: The adapters' base; of models, how they are loaded.
        dtype: Where ``base`` says nothing.
    """

    def __init__(
        self,
        folder: RunFolder,
        bench: Bench,
        checkpoints: Sequence[Path],
        base: ModelSpec,
        dtype: str,
    ):
        assert bench.teacher is not None
        self.folder, self.bench, self.side = folder, bench, bench.teacher
        self.checkpoints, self.base, self.dtype = list(checkpoints), base, dtype
        self._last: tuple[int, ModelTeacher] | None = None

    def __len__(self) -> int:
        return len(self.checkpoints)

    @property
    def names(self) -> list[str]:
        """Of the checkpoints, as their folders are called."""
        return [path.name for path in self.checkpoints]

    @property
    def adapters(self) -> bool:
        """Whether the checkpoints are adapters on one base."""
        return is_adapter(self.checkpoints[0])

    def spec(self, k: int) -> ModelSpec:
        """What loads checkpoint ``k`` alone, an adapter merged into its base."""
        folder = self.checkpoints[k]
        if self.adapters:
            return self.base.model_copy(update={"adapter": str(folder)})
        return self.base.saved(folder)

    def teacher(self, k: int) -> ModelTeacher:
        """Checkpoint ``k`` as something that shows its distribution."""
        if self._last is not None and self._last[0] == k:
            return self._last[1]
        self._last = None  # before the next one is loaded: two may not fit
        self._last = (k, self._load(k))
        return self._last[1]

    @property
    def best(self) -> int:
        """Index of the checkpoint that predicts the validation rows best; see `figures`."""
        return int(self.figures["best"])

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Of each checkpoint, the mean negative log-likelihood of the validation rows' completions.

        Measured once in a run. All processes must come here together the first time.

        Returns:
            ``{"checkpoints": names, "nats_per_token": one each, "rows", "tokens", "best": index}``.
            Where no validation row has a completion nothing is measured, and the last is best.
        """
        return self.folder.once("teacher path", self._measure)

    @cached_property
    def _side_by_side(self) -> Any:
        model = self._loaded(self.base)
        folders = {_adapter(k): path for k, path in enumerate(self.checkpoints)}
        wrapped = load_adapters(model, folders, "teacher")
        check_head(wrapped, "teacher")
        return wrapped.eval().requires_grad_(False).to(device())

    def _load(self, k: int) -> ModelTeacher:
        vocabulary = len(self.bench.student.tokenizer)
        if self.adapters:
            return ModelTeacher(self._side_by_side, vocabulary, _adapter(k))
        model = self._loaded(self.spec(k))
        check_head(model, "teacher")
        return ModelTeacher(model.to(device()), vocabulary)

    def _loaded(self, spec: ModelSpec) -> Any:
        seed = seed_for("teacher", self.bench.recipe.seed)
        return load_model(spec, "teacher", self.side.tokenizer, seed, self.dtype)

    def _measure(self) -> dict[str, Any]:
        rows = [s for s in self.bench.for_teacher("validation") if s.completion][:VALIDATION]
        tokens = sum(len(s.completion) for s in rows)
        found = {"checkpoints": self.names, "rows": len(rows), "tokens": tokens}
        if not rows:
            say("no validation row has a completion, so the last checkpoint counts as the best")
            return found | {"nats_per_token": [], "best": len(self) - 1}
        nats = []
        with progress("reading the teacher's path", len(rows) * len(self), "rows") as advance:
            for k in range(len(self)):
                with self.teacher(k).active() as model:
                    tokenizer = self.side.tokenizer
                    read = likelihood(model, rows, tokenizer, pad_id(tokenizer), 32, advance)
                nats.append(float(read.nats.sum()) / tokens)
        best = min(range(len(self)), key=lambda k: (_or_infinite(nats[k]), -k))
        # A checkpoint that has diverged has no figure.
        return found | {"nats_per_token": finite(nats), "best": best}


def _adapter(k: int) -> str:
    return f"checkpoint-{k}"


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
