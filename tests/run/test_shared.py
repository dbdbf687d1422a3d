"""Runs that share what does not depend on their method: made once, and the same as alone."""

import json
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest

from limbeck.recipe import parse_recipe
from limbeck.run import distill
from limbeck.run.shared import Shared
from run.tiny import STUDENT, numbers, request, weights_hash

TEACHER = {**STUDENT, "sft": {"training": {"max_steps": 12}}}


def recipe(folder, method, **changes):
    changes = {
        "baseline": "sft",
        "teacher": TEACHER,
        "generation": {"max_new_tokens": 12},
    } | changes
    return request(folder, method=method, **changes)


def do(mapping, shared):
    from limbeck.console import console

    console.quiet = True
    return distill(parse_recipe(mapping), shared=shared)


def stages(run):
    return json.loads((run.path / "manifest.json").read_text())["stages"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Two methods over one shared folder, and the second alone."""
    place = tmp_path_factory.mktemp("runs")
    first = do(recipe(place / "first", {"name": "kd", "source": "teacher"}), place / "shared")
    second = do(recipe(place / "second", "seqkd"), place / "shared")
    alone = do(recipe(place / "alone", "seqkd"), None)
    return first, second, alone


def test_what_they_have_in_common_is_made_once(both):
    first, second, _ = both
    common = ("train teacher", "train sft", "evaluate teacher", "evaluate before", "evaluate sft")
    assert [bool(stages(first)[s].get("shared")) for s in common] == [False] * 5
    assert [bool(stages(second)[s].get("shared")) for s in common] == [True] * 5
    assert not any(stages(second)[s].get("shared") for s in ("train student", "evaluate student"))
    one, other = (r.path / "rounds/000/teacher.jsonl" for r in (first, second))
    assert one.read_bytes() == other.read_bytes()


def test_a_run_that_took_is_the_run_alone(both):
    _, second, alone = both
    assert numbers(second.path) == numbers(alone.path)
    assert weights_hash(second.path) == weights_hash(alone.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"data__rows": 80},
        {"training__max_steps": 9},
        {"teacher": {**STUDENT, "sft": {"training": {"max_steps": 13}}}},
    ],
    ids=["seed", "data", "training", "teacher"],
)
def test_what_depends_on_a_change_is_made_anew(both, tmp_path, changes):
    first, *_ = both
    run = do(recipe(tmp_path / "run", "seqkd", **changes), first.path.parent / "shared")
    taken = {name for name, stage in stages(run).items() if stage.get("shared")}
    expected = {
        "seed": set(),
        "data__rows": set(),
        "training__max_steps": {"train teacher", "evaluate teacher", "evaluate before"},
        "teacher": {"train sft"},
    }
    assert taken == expected[next(iter(changes))]


def test_what_a_killed_run_had_finished_is_given_by_the_next_start(both, tmp_path):
    """The stage was complete, but nobody had been told."""
    first, *_ = both
    shared = tmp_path / "shared"
    copied = tmp_path / "run"
    shutil.copytree(first.path, copied)
    for name in ("results.json", "report.html"):
        (copied / name).unlink()
    mapping = recipe(copied, {"name": "kd", "source": "teacher"})
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["stages"]["report"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    (copied / "recipe.yaml").write_text(parse_recipe(mapping).to_yaml())
    do(mapping, shared)
    assert len(list(shared.glob("*/result.json"))) >= 5


def _work(path, log):
    shared = Shared(Path(path))
    with shared.holding("key"):
        if not shared.has("key"):
            with open(log, "a") as stream:
                stream.write("x")
            time.sleep(0.3)
            shared.give("key", Path(path), [], {"made": True})


def test_the_others_wait_for_the_first(tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_work, args=(str(tmp_path / "s"), str(log))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert log.read_text() == "x"


def test_weights_take_no_room_twice_and_journals_are_ones_own(both):
    first, second, _ = both
    names = ("teacher/model.safetensors", "items/teacher.jsonl")
    same = [(first.path / n).stat().st_ino == (second.path / n).stat().st_ino for n in names]
    assert same == [True, False]


def test_models_in_common_are_asked_the_tasks_once(tmp_path, monkeypatch):
    from limbeck.run.tasks import answering

    class Counted(answering.TransformersEngine):
        asked = 0

        def generate(self, *args):
            Counted.asked += 1
            return super().generate(*args)

    monkeypatch.setattr(answering, "TransformersEngine", Counted)
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps({"q": f"{k}+1=", "a": str(k + 1)}) + "\n" for k in range(9)))
    (tmp_path / "sums.yaml").write_text(
        'prompt: "{q}"\nanswer: a\nextract: last_number\nscore: number\nmax_new_tokens: 4\n'
    )
    asked = {"max_new_tokens": 8, "samples": 0, "tasks": [f"{tmp_path}/sums.yaml={file}"]}
    found, counts = [], []
    methods = [{"name": "kd", "source": "teacher"}, {"name": "seqkd"}, {"name": "seqkd"}]
    for place, method in zip(("first", "second", "alone"), methods, strict=True):
        shared = None if place == "alone" else tmp_path / "shared"
        Counted.asked = 0
        found.append(do(recipe(tmp_path / place, method, evaluate=asked), shared))
        counts.append(Counted.asked)
    assert counts == [4, 1, 4], "a batch each of teacher, before, sft and student"
    assert found[1].results["tasks"] == found[2].results["tasks"]


def test_a_run_that_was_killed_while_it_took_takes_again(tmp_path):
    """Weights are linked: the second time, source and target are one file."""
    made, shared = tmp_path / "made", Shared(tmp_path / "shared")
    (made / "teacher").mkdir(parents=True)
    (made / "teacher/model.safetensors").write_bytes(b"weights")
    (made / "teacher/config.json").write_text("{}")
    shared.give("key", made, ["teacher"], {"steps": 3})
    for _ in range(2):
        assert shared.take("key", tmp_path / "run") == {"steps": 3}
    assert (tmp_path / "run/teacher/model.safetensors").read_bytes() == b"weights"


def test_a_teacher_that_explains_is_measured_for_its_method_alone(tmp_path):
    """It is asked with other prompts than a teacher that answers."""
    from limbeck.bench import open_bench
    from limbeck.run import common
    from limbeck.run.folder import RunFolder

    server = {"server": "http://127.0.0.1:9/v1", "model": "m"}
    keys = {}
    for method in ("undo", "seqkd"):
        asked = parse_recipe(request(tmp_path / method, method=method, teacher=server))
        folder = RunFolder(asked.output)
        folder.manifest = {"hashes": {}, "limbeck": "0"}
        keys[method] = common.measured(folder, open_bench(asked), "teacher", 8)
    assert keys["undo"] is None and keys["seqkd"] is not None
