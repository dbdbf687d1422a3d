"""Requests for text that cannot be fulfilled: exit code 2, and nothing is written."""

import json

import pytest

from limbeck.data import DataSpec, load_examples
from run.tiny import DATA, invoke, request, tree, write

from .test_bad_input import said_well

TEXT = {"method": "seqkd"}
SEVERAL = {"generation": {"num_return_sequences": 4}}
CORRECT = {"generation": {"only_correct": True}}

# name: (changes of the tiny recipe, what must be said)
CASES = {
    "no teacher writes": ({}, ["kd, as it is set, no teacher writes", "method: seqkd"]),
    "the student writes": ({"method": "opd"}, ["opd", "no teacher writes", "seqkd"]),
    "several without sampling": (
        {**TEXT, "generation": {"num_return_sequences": 4, "temperature": 0}},
        ["4 answers", "would be the same", "generation.num_return_sequences", "temperature: 0"],
    ),
    "several of the likeliest": (
        {**TEXT, "generation": {"num_return_sequences": 2, "top_k": 1}},
        ["would be the same"],
    ),
    "several beams": (
        {**TEXT, "generation": {"num_return_sequences": 2, "num_beams": 4}},
        ["would be the same", "num_beams"],
    ),
    "no answer at all": (
        {**TEXT, "generation": {"num_return_sequences": 0}},
        ["generation.num_return_sequences", "greater than 0"],
    ),
    "several of the student": (
        {"method": "gkd", **SEVERAL},
        ["gkd, as it is set", "generation.num_return_sequences", "source: teacher"],
    ),
    "correct ones of the student": (
        {"method": "opd", **CORRECT},
        ["no teacher answers", "generation.only_correct"],
    ),
    "correct ones of nobody": ({**CORRECT}, ["nobody writes text", "generation"]),
    "several solutions of a tutor": (
        {"method": "undo", **SEVERAL},
        ["undo", "one solution at a time", "generation.num_return_sequences"],
    ),
    "nothing to verify with": (
        {**TEXT, **CORRECT, "data": {"source": "none.jsonl", "test": 0.3}},
        ["of", "training rows have no answer", "generation.only_correct", "data.columns"],
    ),
    "some cannot be verified": (
        {**TEXT, **CORRECT, "data": {"source": "some.jsonl", "test": 0.3}},
        ["training rows have no answer", "generation.only_correct"],
    ),
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{i}+1="} for i in range(60)]
    some = [{**r, "answer": f"{i + 1}"} if i % 2 else r for i, r in enumerate(rows)]
    for name, found in (("none", rows), ("some", some)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, found)))
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_refused(world, name):
    changes, words = CASES[name]
    write(world / "tiny.yaml", request("runs/tiny", **changes))
    before = tree(world)
    done = invoke("generate", "tiny.yaml")
    said_well(done.exit_code, done.stderr, words)
    assert tree(world) == before


@pytest.mark.parametrize("command", ["distill", "doctor"])
def test_the_other_commands_refuse_the_same(world, command):
    changes, words = CASES["nothing to verify with"]
    write(world / "tiny.yaml", request("runs/tiny", **changes))
    before = tree(world)
    done = invoke(command, "tiny.yaml")
    said_well(done.exit_code, done.stderr, words)
    assert tree(world) == before


def test_rows_with_answers_are_enough(world):
    """Completions are not needed, and the keys are heard."""
    assert all(e.answer is not None for e in load_examples(DataSpec(**DATA)).train)
    changes = {**TEXT, "generation": {"num_return_sequences": 2, "only_correct": True}}
    write(world / "tiny.yaml", request("runs/tiny", **changes, data__labelled=0))
    done = invoke("doctor", "tiny.yaml")
    assert done.exit_code == 0, done.output
