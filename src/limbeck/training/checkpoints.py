"""Checkpoints that are complete, and the newest of them."""

import re
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

MARK = "complete"


class MarkComplete(TrainerCallback):
    """Marks a checkpoint once all of its files are there.

    The Trainer writes a checkpoint file by file under its final name, so a killed process leaves
    one that looks whole and is not.
    """

    def __init__(self, wait_for_everyone: Any):
        self.wait_for_everyone = wait_for_everyone

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """All ranks have written; say so."""
        self.wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / MARK).touch()


def newest_complete(folder: Path) -> Path | None:
    """The newest complete checkpoint of a folder; incomplete ones are deleted."""
    found = {
        int(m[1]): p
        for p in folder.glob("checkpoint-*")
        if (m := re.fullmatch(r"checkpoint-(\d+)", p.name))
    }
    for step, path in list(found.items()):
        if not (path / MARK).exists():
            shutil.rmtree(path)
            del found[step]
    return found[max(found)] if found else None
