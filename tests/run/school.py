"""A tutor over HTTP, its problems in files, and a run of seconds that has both."""

import pyarrow.parquet as pq
from benchmarks.tutor import PROMPTS

from run.tiny import MODEL, request

SIZES = {"train": 24, "validation": 12, "test": 12}


def data(folder, **changes):
    """The recipe's section."""
    held_out = {name: str(folder / f"{name}.jsonl") for name in ("validation", "test")}
    found = {"source": str(folder / "train.jsonl"), **held_out, "verifier": "after_marker"}
    return {**found, **changes}


def undo(server, output, **changes):
    """A run of two refinements that no stop rule ends."""
    method = {"name": "undo", "rounds": 2, "diagnosis": 5, "least_gain": -1.0}
    found = {
        "student": {"config": {**MODEL, "max_position_embeddings": 96}, "tokenizer": "characters"},
        "teacher": {"server": server.url, "model": "tutor", **changes.pop("teacher", {})},
        "data": data(output.parent),
        "method": {**method, **changes.pop("method", {})},
        "prompts": str(PROMPTS),
        "generation": {"max_new_tokens": 48},
        "evaluate": {"max_new_tokens": 24, "samples": 0},
        "training__max_steps": 3,
        "training__save_steps": 1,
        "training__logging_steps": 1,
        "training__eval_strategy": "no",
        "training__eval_steps": None,
    }
    return request(output, **{**found, **changes})


def rationales(run, index, arm="student"):
    folder = run if arm == "student" else run / "arms" / arm
    return pq.read_table(folder / f"rounds/{index:03}/rationales.parquet").to_pydict()
