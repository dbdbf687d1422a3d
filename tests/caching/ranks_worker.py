"""One rank of a training from a cache: ``torchrun ... -m caching.ranks_worker FOLDER``."""

import sys
from pathlib import Path

import torch

from limbeck.caching import Cache, CachedTeacher
from limbeck.methods import KD
from training.world import make_rows, make_student, make_trainer, weights
from two_ranks import depart

ROWS = make_rows(16)


def run(folder, per_device):
    student = make_student()
    teacher = CachedTeacher(Cache(folder / "cache"))
    args = {"per_device_train_batch_size": per_device, "max_steps": 4}
    make_trainer(folder / "trained", KD(), student, teacher, rows=ROWS, **args).train()
    return weights(student)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = run(folder, 4)
    if torch.distributed.get_rank() == 0:
        torch.save(found, folder / "weights.pt")
    depart()
