"""Bad requests through the command line.

Each: exit code 2, what and where and mend on standard error, no traceback, nothing written.
"""

import collections
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from run.tiny import invoke, request, tree, work, write

GOOD = [{"prompt": f"{i}=", "completion": f"#{i}"} for i in range(60)]


@pytest.fixture
def world(tmp_path):
    """A folder with a recipe that is right, and data files of which some are wrong."""
    data = tmp_path / "data"
    data.mkdir()
    lines = [json.dumps(r) for r in GOOD]
    (data / "good.jsonl").write_text("\n".join(lines))
    (data / "empty.jsonl").write_text("")
    (data / "no_prompt.jsonl").write_text("\n".join([*lines[:6], '{"completion": "#1"}']))
    (data / "latin1.jsonl").write_bytes("\n".join(lines).encode() + b'\n{"prompt": "caf\xe9"}')
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (data / "chats.jsonl").write_text("\n".join([json.dumps(chat)] * 40))
    write(tmp_path / "tiny.yaml", request("runs/tiny"))
    (tmp_path / "latin1.yaml").write_bytes(b"student: caf\xe9\n")
    return tmp_path


def _other_vocabulary(folder):
    from limbeck.data import character_tokenizer

    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder / "other_tokenizer")


def _no_template(folder):
    from limbeck.data import character_tokenizer

    tokenizer = character_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder / "plain_tokenizer")


def _foreign_files(folder):
    (folder / "runs" / "tiny").mkdir(parents=True)
    (folder / "runs" / "tiny" / "thesis.tex").write_text("years of work")


def _a_web_site(folder):
    """Many programs have a manifest.json; --fresh must not take theirs for a run's."""
    _foreign_files(folder)
    (folder / "runs" / "tiny" / "manifest.json").write_text('{"name": "site"}')


def _foreign_recipe(folder):
    _foreign_files(folder)
    (folder / "runs" / "tiny" / "recipe.yaml").write_text("soup: [carrots\n")


def _a_file_in_the_way(folder):
    (folder / "runs").write_text("not a folder")


def _another_recipe(folder):
    from limbeck.recipe import load_recipe
    from limbeck.run.folder import RunFolder

    run = RunFolder(folder / "runs" / "tiny")
    with run.open(load_recipe(folder / "tiny.yaml", ["seed=7"]), {}, False):
        pass


# name: (prepare, arguments after the recipe, what must be said)
CASES = {
    "unknown key": (None, ["studnt=x"], ["unknown key 'studnt'", "tiny.yaml: studnt", "student"]),
    "unknown nested key": (None, ["evaluate.max_itms=3"], ["evaluate.max_itms", "max_items"]),
    "misspelt method": (None, ["method=kdd"], ["no method 'kdd'", "did you mean kd?"]),
    "unused option": (None, ["method.beta=0.1"], ["no option 'beta'", "gkd", "method.beta"]),
    "generation that nobody uses": (None, ["generation.top_k=3"], ["nobody writes", "generation"]),
    "misspelt training argument": (
        None,
        ["training.learnig_rate=0.1"],
        ["learnig_rate", "did you mean learning_rate"],
    ),
    "learning rate 0": (None, ["training.learning_rate=0"], ["training.learning_rate", "above 0"]),
    "learning rate negative": (None, ["training.learning_rate=-1e-4"], ["-0.0001", "above 0"]),
    "missing file": (
        None,
        ["data=data/god.jsonl"],
        ["no such file: god.jsonl", "did you mean 'good.jsonl'"],
    ),
    "missing folder": (None, ["data=./nowhere/x.jsonl"], ["no such folder", "nowhere"]),
    "empty data set": (None, ["data=data/empty.jsonl"], ["no rows", "empty.jsonl"]),
    "row without prompt": (None, ["data=data/no_prompt.jsonl"], ["no prompt", "line 7"]),
    "data not UTF-8": (None, ["data=data/latin1.jsonl"], ["line 61", "0xe9"]),
    "unknown task option": (None, ["data.options={trems: [2, 3]}"], ["trems", "terms"]),
    "missing model": (None, ["student={model: ./no/such}"], ["student", "./no/such"]),
    "checkpoints that are not there": (
        None,
        ["teacher={checkpoints: ./nowhere}"],
        ["at least two checkpoints", "teacher.checkpoints: nowhere", "adapter_config.json"],
    ),
    "a path without a fine-tuning": (
        None,
        ["teacher.keep_checkpoints=3"],
        ["there is none", "teacher.keep_checkpoints", "add teacher.sft"],
    ),
    "teacher with another vocabulary": (
        _other_vocabulary,
        ["teacher.tokenizer=other_tokenizer"],
        ["the tokenizers differ: 103 ids for the student, 104", "seqkd"],
    ),
    "no chat template for messages": (
        _no_template,
        [
            "data=data/chats.jsonl",
            "student.tokenizer=plain_tokenizer",
            "teacher.tokenizer=plain_tokenizer",
        ],
        ["no chat template", "plain_tokenizer", "chat: false"],
    ),
    "context too short": (
        None,
        ["data.max_length=65"],
        ["data.max_length is 65", "context is 64", "at most 64"],
    ),
    "output of another recipe": (
        _another_recipe,
        [],
        ["belongs to another recipe", "seed was 7 and is now 0", "--fresh"],
    ),
    "output with foreign files": (
        _foreign_files,
        [],
        ["no run of Limbeck's", "thesis.tex", "output="],
    ),
    "fresh with foreign files": (_foreign_files, ["--fresh"], ["no run of Limbeck's"]),
    "fresh where another program lives": (_a_web_site, ["--fresh"], ["no run of Limbeck's"]),
    "output with a foreign recipe": (_foreign_recipe, [], ["no run of Limbeck's"]),
    "output below a file": (_a_file_in_the_way, [], ["the output is a file", "runs"]),
    "an override without a value": (None, ["seed"], ["KEY=VALUE", "'seed'"]),
    "training arguments that contradict": (
        None,
        ["training.eval_strategy=sometimes"],
        ["training", "sometimes"],
    ),
}


def said_well(code, stderr, words):
    """Exit code 2 and three lines that name what is meant."""
    assert code == 2, stderr
    assert "Traceback" not in stderr and "unexpected" not in stderr
    lines = stderr.strip().splitlines()
    parts = [line.split(":")[0] for line in lines]
    # What to do about an empty file needs no saying.
    assert parts == ["error", "where", "mend"][: 2 if "no rows" in words else 3], stderr
    for word in words:
        assert word in stderr, f"{word!r} is not in {stderr!r}"


@pytest.mark.parametrize("name", CASES)
def test_in_this_process(world, monkeypatch, name):
    prepare, arguments, words = CASES[name]
    monkeypatch.chdir(world)
    if prepare:
        prepare(world)
    before = tree(world)
    began = time.process_time()
    done = invoke("distill", "tiny.yaml", *arguments)
    assert time.process_time() - began < 5
    said_well(done.exit_code, done.stderr, words)
    assert tree(world) == before
    assert not (world / "runs" / "tiny" / ".lock").exists() or name == "output of another recipe"


def test_nothing_to_prepare(world, monkeypatch):
    monkeypatch.chdir(world)
    before = tree(world)
    done = invoke("sft", "tiny.yaml")
    said_well(done.exit_code, done.stderr, ["neither teacher nor student", "sft: {}"])
    assert tree(world) == before


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("tinny.yaml", ["no such recipe", "tinny.yaml", "did you mean tiny.yaml?"]),
        ("latin1.yaml", ["not UTF-8", "latin1.yaml, byte 12", "save it as UTF-8"]),
        ("data", ["this is a folder", "data"]),
        ("data/empty.jsonl", ["holds no keys", "student, teacher, data and method"]),
    ],
)
@pytest.mark.parametrize("command", ["distill", "doctor", "sft"])
def test_recipe_files(world, monkeypatch, command, recipe, words):
    monkeypatch.chdir(world)
    before = tree(world)
    done = invoke(command, recipe)
    said_well(done.exit_code, done.stderr, words)
    assert tree(world) == before


def test_a_full_disk(world, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.chdir(world)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2**30, 2**30, 2**20))
    before = tree(world)
    done = invoke("distill", "tiny.yaml")
    said_well(done.exit_code, done.stderr, ["1 MiB free", "disk", "free space"])
    assert tree(world) == before


def test_a_disk_that_fills_up_later(tmp_path):
    """What the estimate did not foresee: exit code 1, and the same command goes on."""
    small = tmp_path / "small"
    small.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(small)], capture_output=True
        )
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    patch = pytest.MonkeyPatch()
    usage = collections.namedtuple("usage", "total used free")
    patch.setattr("limbeck.doctor.resources.shutil.disk_usage", lambda p: usage(0, 0, 2**40))
    try:
        file = write(tmp_path / "tiny.yaml", request(small / "run", training__max_steps=4))
        done = invoke("distill", file)
        patch.undo()
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.stderr
        assert "the disk is full" in done.stderr and "goes on where it was" in done.stderr
        assert not (small / "run" / "student").exists()
        subprocess.run(["mount", "-o", "remount,size=100m", str(small)], check=True)
        again = invoke("distill", file)
        assert again.exit_code == 0, again.output
        whole = work(request(tmp_path / "whole", training__max_steps=4))
        weights = "student/model.safetensors"
        assert (small / "run" / weights).read_bytes() == (whole.path / weights).read_bytes()
    finally:
        patch.undo()
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize(
    "name",
    [
        "unknown key",
        "row without prompt",
        "teacher with another vocabulary",
        pytest.param("misspelt method", marks=pytest.mark.slow),
        pytest.param("unused option", marks=pytest.mark.slow),
        pytest.param("learning rate 0", marks=pytest.mark.slow),
        pytest.param("missing file", marks=pytest.mark.slow),
        pytest.param("empty data set", marks=pytest.mark.slow),
        pytest.param("data not UTF-8", marks=pytest.mark.slow),
        pytest.param("no chat template for messages", marks=pytest.mark.slow),
        pytest.param("context too short", marks=pytest.mark.slow),
        pytest.param("output of another recipe", marks=pytest.mark.slow),
        pytest.param("output with foreign files", marks=pytest.mark.slow),
    ],
)
def test_as_a_user_sees_it(world, name):
    """The real command, imports included."""
    prepare, arguments, words = CASES[name]
    if prepare:
        here = Path.cwd()
        os.chdir(world)
        try:
            prepare(world)
        finally:
            os.chdir(here)
    before = tree(world)
    done = subprocess.run(
        [sys.executable, "-m", "limbeck", "distill", "tiny.yaml", *arguments],
        cwd=world,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    said_well(done.returncode, done.stderr, words)
    assert done.stdout == ""
    assert tree(world) == before
