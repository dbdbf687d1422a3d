"""A teacher whose signal is disturbed, for studies of how much of it a student needs."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.targets.base import Target
from limbeck.targets.teacher import ModelTeacher


@dataclass(frozen=True)
class Noisy(Target):
    """A target whose logits z became z + sigma * e, with e normal, another for each event.

    Attributes:
        clean: The target.
        seeds: Of the noise at each token, ``[N]``.
        sigma: Its standard deviation.
    """

    clean: Target
    seeds: Tensor
    sigma: float

    def pair(self, logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """See `Target.pair`: softmax((z + sigma e) / T), from the clean one."""
        log_p, log_q = self.clean.pair(logits, temperature)
        log_p = log_p + 0.0  # looked at
        noise = torch.stack([_normal(int(seed), log_p.shape[-1]) for seed in self.seeds])
        disturbed = log_p + self.sigma / temperature * noise.to(log_p)
        return disturbed.log_softmax(-1), log_q

    def __getitem__(self, rows: slice) -> "Noisy":
        return Noisy(self.clean[rows], self.seeds[rows], self.sigma)

    def chunks(self, slices: Iterable[slice]) -> "Iterator[Target]":
        """See `Target.chunks`."""
        places = list(slices)
        for part, rows in zip(self.clean.chunks(places), places, strict=True):
            yield Noisy(part, self.seeds[rows], self.sigma)


class NoisyTeacher(ModelTeacher):
    """A teacher with normal noise on its logits, the same whenever it reads the same text.

    The noise depends on the text up to a token and on the seed, so neither batches, padding nor a
    resumed run change it. (The released study draws it anew at each forward pass.)

    Args:
        teacher: The teacher.
        sigma: Standard deviation of the noise, in logits.
        seed: Of the noise.

    References:
        The ablation of arXiv:2505.15442: logits + sigma * N(0, 1), sigma in {1, 2, 5}.
    """

    def __init__(self, teacher: ModelTeacher, sigma: float, seed: int):
        super().__init__(teacher.model, teacher.vocabulary, teacher.adapter)
        self.teacher, self.sigma, self.seed = teacher, sigma, seed

    def __call__(self, batch: Mapping[str, Any], where: Tensor) -> Target:
        """See `ModelTeacher`."""
        return Noisy(self.teacher(batch, where), self._seeds(batch, where), self.sigma)

    @contextmanager
    def active(self) -> Iterator[nn.Module]:
        """See `ModelTeacher.active`: what it writes is not disturbed."""
        with self.teacher.active() as model:
            yield model

    def _seeds(self, batch: Mapping[str, Any], where: Tensor) -> Tensor:
        """A number for each marked position: of the text before it, without padding."""
        seeds = []
        for ids, mask, marked in zip(
            batch["input_ids"].tolist(),
            batch["attention_mask"].tolist(),
            where.tolist(),
            strict=True,
        ):
            crc = zlib.crc32(str(self.seed).encode())
            for token, there, wanted in zip(ids, mask, [*marked, False], strict=True):
                if there:
                    crc = zlib.crc32(token.to_bytes(4, "little"), crc)
                if wanted:
                    seeds.append(crc)
        return torch.tensor(seeds, dtype=torch.int64)


def _normal(seed: int, size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))
