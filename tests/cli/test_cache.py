"""``limbeck cache`` and training from a cache, as a user types them."""

import json
import os
import re
import shutil

import pytest

from caching.tiny import TEACHER, WRITTEN
from run.tiny import invoke, request, tree, write


def run(command, *arguments):
    done = invoke(command, *arguments)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with recipes and caches of them."""
    folder = tmp_path_factory.mktemp("made")
    before = os.getcwd()
    os.chdir(folder)
    try:
        write(folder / "data.yaml", request("runs/data", teacher=TEACHER))
        write(folder / "text.yaml", request("runs/text", teacher=TEACHER, **WRITTEN))
        run("cache", "data.yaml", "-o", "topk", "--k", "8")
        run("cache", "data.yaml", "-o", "whole", "--k", "103", "--encoding", "topk-f32")
        run("cache", "data.yaml", "-o", "samples", "--encoding", "sampled", "--samples", "12")
        run("cache", "text.yaml", "-o", "hidden", "--encoding", "hidden")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def world(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_the_size_before_it_starts(world):
    done = run("cache", "data.yaml", "-o", "new", "--k", "8")
    assert re.search(r"cache: topk, 28 bytes a token, [\d,]+ tokens: [\d.]+ kB", done.stderr)
    assert "teacher.cache=new" in done.stdout


@pytest.mark.parametrize("name", ["topk", "samples"])
def test_verify(world, name):
    done = run("cache", "data.yaml", "-o", name, "--verify")
    assert "covered" in done.stdout and ("KL" in done.stdout) == (name == "topk")


def scores(folder):
    return json.loads((folder / "results.json").read_text())


def same(a, b):
    """The same numbers, up to the rounding of other batches."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, abs=2e-4, rel=2e-3) if isinstance(a, float) else a == b


@pytest.mark.parametrize(("recipe", "cache"), [("data", "whole"), ("text", "hidden")])
def test_a_run_from_a_cache_is_the_run_with_the_teacher(world, recipe, cache):
    """With the teacher's own text, the text comes out of the cache."""
    run("distill", f"{recipe}.yaml", "output=runs/model")
    run("distill", f"{recipe}.yaml", "output=runs/both", f"teacher.cache={cache}")
    run("distill", f"{recipe}.yaml", "output=runs/alone", f"teacher={{cache: {cache}}}")
    model, both, alone = (scores(world / "runs" / name) for name in ("model", "both", "alone"))
    for found in (both, alone):
        assert same(
            found["training"]["student"]["curve"][-1], model["training"]["student"]["curve"][-1]
        )
        assert found["text"]["sequences"] == model["text"]["sequences"]
    assert same(both["audit"], model["audit"])
    assert "teacher" in both["evaluation"]["metrics"]
    assert "teacher" not in alone["evaluation"]["metrics"]
    assert (world / "runs" / "alone" / "report.html").exists()


def test_another_seed_may_use_the_cache(world):
    """Several students of one cache is what it is for."""
    run("distill", "data.yaml", "teacher={cache: topk}", "seed=5", "training.max_steps=2")


def test_less_data_may_use_the_cache(world):
    run("distill", "data.yaml", "teacher={cache: topk}", "data.labelled=30", "training.max_steps=2")


def flip(path):
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 4
    path.write_bytes(whole)


def other_data(folder):
    write(folder / "data.yaml", request("runs/data", teacher=TEACHER, data__seed=4))


DISTILL, CACHE = ("distill", "data.yaml"), ("cache", "data.yaml")
# name: (prepare, command, exit code, what must be said)
CASES = {
    "no cache": (None, (*DISTILL, "teacher.cache=runs"), 2, ["holds no teacher cache", "runs"]),
    "missing folder": (None, (*DISTILL, "teacher.cache=tpk"), 2, ["no teacher cache", "tpk"]),
    "unfinished": (
        lambda f: (f / "topk" / "cache.json").unlink(),
        (*DISTILL, "teacher.cache=topk"),
        2,
        ["not finished", "same limbeck cache command"],
    ),
    "no manifest of ours": (
        lambda f: (f / "topk" / "cache.json").write_text('{"name": "site"}'),
        (*DISTILL, "teacher.cache=topk"),
        2,
        ["no manifest of a teacher cache", "cache.json"],
    ),
    "another teacher": (
        None,
        (*DISTILL, "teacher.cache=topk", "teacher.config.hidden_size=64"),
        2,
        ["another teacher", "teacher was llama from scratch", "is now"],
    ),
    "another tokenizer": (
        lambda f: _another_tokenizer(f),
        (*DISTILL, "teacher={cache: topk}", "student.tokenizer=other"),
        2,
        ["another tokenizer", "103 ids", "104 ids"],
    ),
    "another template": (
        lambda f: _another_template(f),
        (*DISTILL, "teacher={cache: chats}", "student.tokenizer=other", "data.chat=true"),
        2,
        ["another template", "template was", "is now"],
    ),
    "another length": (
        None,
        (*DISTILL, "teacher.cache=topk", "data.max_length=60"),
        2,
        ["another data.max_length", "was 64 and is now 60"],
    ),
    "another text": (
        None,
        ("distill", "text.yaml", "teacher.cache=topk"),
        2,
        ["another method.source", "'data'", "'teacher'"],
    ),
    "another generation": (
        None,
        ("distill", "text.yaml", "teacher.cache=hidden", "generation.temperature=0.5"),
        2,
        ["another generation.temperature", "1.0", "0.5"],
    ),
    "another number of answers": (
        None,
        ("distill", "text.yaml", "teacher.cache=hidden", "generation.num_return_sequences=2"),
        2,
        ["another generation.num_return_sequences", "was 1 and is now 2"],
    ),
    "other data": (
        other_data,
        (*DISTILL, "teacher.cache=topk"),
        2,
        ["not in the cache", "data was"],
    ),
    "k above the vocabulary": (
        None,
        (*CACHE, "-o", "x", "--k", "104"),
        2,
        ["k must be 1 to 103", "--k"],
    ),
    "k of nothing": (None, (*CACHE, "-o", "x", "--k", "0"), 2, ["k must be 1", "got 0"]),
    "no samples": (
        None,
        (*CACHE, "-o", "x", "--encoding", "sampled", "--samples", "0"),
        2,
        ["samples must be 1", "--samples"],
    ),
    "no such encoding": (None, (*CACHE, "-o", "x", "--encoding", "top"), 2, ["'top'", "topk, "]),
    "no folder": (None, CACHE, 2, ["which folder", "--output"]),
    "no weights": (
        None,
        (*CACHE, "-o", "x", "teacher={cache: topk}"),
        2,
        ["with the teacher's weights", "teacher.model"],
    ),
    "nothing to cache": (
        None,
        (*CACHE, "-o", "x", "method=sft"),
        2,
        ["the method sft asks no teacher"],
    ),
    "text that is not there yet": (
        None,
        (*CACHE, "-o", "x", "method=gkd"),
        2,
        ["the method gkd", "the student writes", "method.lmbda"],
    ),
    "on-policy from a cache": (
        None,
        (*DISTILL, "method=gkd", "teacher.cache=topk"),
        2,
        ["the student writes", "teacher.cache", "method.lmbda=0"],
    ),
    "temperature of top-k": (
        None,
        (*DISTILL, "method={name: kd, temperature: 2}", "teacher.cache=topk"),
        2,
        ["the whole distribution", "the likeliest tokens", "--encoding hidden"],
    ),
    "temperature of samples": (
        None,
        (*DISTILL, "method={name: kd, temperature: 2}", "teacher.cache=samples"),
        2,
        ["the whole distribution", "samples", "--encoding hidden"],
    ),
    "reverse KL of samples": (
        None,
        (*DISTILL, "method=revkd", "teacher.cache=samples"),
        2,
        ["the teacher's probabilities themselves", "samples", "--encoding topk"],
    ),
    "a student's cache": (None, (*DISTILL, "student.cache=topk"), 2, ["student.cache is not used"]),
    "fine-tuned again": (
        None,
        (*DISTILL, "teacher.cache=topk", "teacher.sft={}"),
        2,
        ["fine-tuned again", "teacher.sft"],
    ),
    "another encoding": (
        None,
        (*CACHE, "-o", "topk", "--k", "9"),
        2,
        ["another k", "k was 8 and is now 9", "--fresh"],
    ),
    "shard missing": (
        lambda f: (f / "topk" / "00000.safetensors").unlink(),
        (*DISTILL, "teacher.cache=topk"),
        1,
        ["is missing", "00000.safetensors", "limbeck cache"],
    ),
    "shard cut short": (
        lambda f: os.truncate(f / "topk" / "00000.safetensors", 1000),
        (*DISTILL, "teacher.cache=topk"),
        1,
        ["has 1000 bytes", "00000.safetensors"],
    ),
    "shard with another bit": (
        lambda f: flip(f / "topk" / "00000.safetensors"),
        (*DISTILL, "teacher.cache=topk"),
        1,
        ["checksum differs", "00000.safetensors"],
    ),
    "verify a shard with another bit": (
        lambda f: flip(f / "topk" / "00000.safetensors"),
        (*CACHE, "-o", "topk", "--verify"),
        1,
        ["checksum differs", "00000.safetensors"],
    ),
}


def _another_tokenizer(folder):
    from limbeck.data import character_tokenizer

    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder / "other")


def _another_template(folder):
    from limbeck.data import character_tokenizer

    run("cache", "data.yaml", "-o", "chats", "--k", "8", "data.chat=true")
    tokenizer = character_tokenizer()
    tokenizer.chat_template = "{# another #}" + tokenizer.chat_template
    tokenizer.save_pretrained(folder / "other")


@pytest.mark.parametrize("name", CASES)
def test_bad_input(world, name):
    prepare, command, code, words = CASES[name]
    if prepare:
        prepare(world)
    before = tree(world)
    done = invoke(*command)
    assert done.exit_code == code, done.stderr
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "where", "mend"], done.stderr
    for word in words:
        assert word in done.stderr, f"{word!r} is not in {done.stderr!r}"
    assert tree(world) == before


def test_a_teacher_that_changed_under_its_name_is_noticed(world):
    """The cache says it is of this teacher, and it is not: a few sequences are asked again."""
    file = world / "topk" / "cache.json"
    found = json.loads(file.read_text())
    run("cache", "data.yaml", "-o", "other", "--k", "8", "teacher.config.hidden_size=64")
    other = json.loads((world / "other" / "cache.json").read_text())
    other["origin"]["teacher"] = found["origin"]["teacher"]
    (world / "other" / "cache.json").write_text(json.dumps(other))
    done = invoke("distill", "data.yaml", "teacher.cache=other")
    assert done.exit_code == 1 and "does not say what the teacher says" in done.stderr


def test_a_run_from_a_cache_is_resumed_only_over_that_cache(world):
    """A cache made anew under an unfinished run is another cache."""
    run("distill", "data.yaml", "teacher={cache: topk}", "output=runs/a")
    (world / "runs" / "a" / "results.json").unlink()
    shutil.rmtree(world / "topk")
    shutil.copytree(world / "whole", world / "topk")
    done = invoke("distill", "data.yaml", "teacher={cache: topk}", "output=runs/a")
    assert done.exit_code == 2 and "the cache changed since this run began" in done.stderr
