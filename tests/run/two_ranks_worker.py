"""A whole run on several ranks: ``torchrun ... -m run.two_ranks_worker FOLDER``."""

import sys
from pathlib import Path

from run.tiny import DATA, MODEL, STUDENT, request, work

TUNED = {"max_steps": 6, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "use_cpu": True}
PATH = {
    "config": MODEL,
    "tokenizer": "characters",
    "sft": {"data": {**DATA, "seed": 1}, "training": TUNED},
    "keep_checkpoints": 3,
}
ADAPTIVE = {"name": "scd", "adaptive_weight": True}
CHANGES = {
    "teacher": {**PATH, "sft": {"training": TUNED}, "keep_checkpoints": 2},
    "student": {**STUDENT, "sft": {"training": TUNED}},
    "method": {**ADAPTIVE, "loss_source": "oof"},
    "training__max_steps": 4,
    "training__per_device_train_batch_size": 4,
    "evaluate": {"max_new_tokens": 4, "max_items": 8, "samples": 0},
}

if __name__ == "__main__":
    from two_ranks import depart

    work(request(Path(sys.argv[1]) / "run", **CHANGES))
    depart()
