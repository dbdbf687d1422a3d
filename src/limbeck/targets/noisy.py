"""A teacher whose signal is disturbed, for studies of how much of it a student needs."""

import math
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
        noise = _normal(self.seeds.to(log_p.device), log_p.shape[-1])
        disturbed = log_p + self.sigma / temperature * noise.to(log_p.dtype)
        return disturbed.log_softmax(-1), log_q

    def __getitem__(self, rows: slice) -> "Noisy":
        return Noisy(self.clean[rows], self.seeds[rows], self.sigma)

    def chunks(self, slices: Iterable[slice]) -> "Iterator[Target]":
        """See `Target.chunks`."""
        places = list(slices)
        for part, rows in zip(self.clean.chunks(places), places, strict=True):
            yield Noisy(part, self.seeds[rows], self.sigma)


_GOLDEN = -0x61C8864680B583EB  # 2^64 / golden ratio, as a signed number


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


def _normal(seeds: Tensor, size: int) -> Tensor:
    """Normal numbers ``[N, size]`` that depend on seed and place alone, on any device.

    A generator would have to be seeded anew for each token, which a GPU waits for. So the numbers
    are hashes: SplitMix64 of seed and place, two uniform halves of it, Box and Muller's transform.
    """
    places = torch.arange(size, device=seeds.device)
    bits = _mixed(_mixed(seeds)[:, None] + places * _GOLDEN)
    low, high = bits & 0xFFFFFF, (bits >> 24) & 0xFFFFFF
    radius = (-2 * ((low.float() + 0.5) / 2**24).log()).sqrt()
    return radius * (2 * math.pi / 2**24 * high.float()).cos()


def _mixed(bits: Tensor) -> Tensor:
    """SplitMix64's last steps, on 64 bits that wrap."""
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        bits = (bits ^ _shifted(bits, shift)) * factor
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """To the right, filled with zeros: int64 has a sign, which would be copied."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
