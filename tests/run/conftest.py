"""Finished runs, made once and looked at by many tests."""

import itertools
import json
import random

import pytest
import torch
from benchmarks.tutor import TutorServer, problems

from run.school import SIZES
from run.tiny import request, work


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Runs that are compared byte by byte add up in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """``runs(name, **changes)``: the finished run of that name, made when it is first asked for."""
    made = {}

    def run(name, **changes):
        if name not in made:
            made[name] = work(request(tmp_path_factory.mktemp("runs") / name, **changes))
        return made[name]

    return run


@pytest.fixture(scope="session")
def teacher(runs):
    """A run of SFT whose student ends its sentences and gets some of the sums right."""
    return runs(
        "teacher",
        teacher=None,
        method="sft",
        student={"config": {**_WIDER}, "tokenizer": "characters"},
        data__rows=400,
        data__seed=1,
        training__max_steps=150,
        training__save_steps=100,
        training__per_device_train_batch_size=16,
    )


@pytest.fixture
def server():
    """A programmatic tutor behind HTTP."""
    with TutorServer() as server:
        yield server


@pytest.fixture
def problem_files(tmp_path):
    """Files of the tutor's problems; the prompts of one are in no other."""
    found = iter(problems(random.Random(0), sum(SIZES.values()), swaps=4))
    for name, count in SIZES.items():
        lines = [json.dumps(row) + "\n" for row in itertools.islice(found, count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))


_WIDER = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
