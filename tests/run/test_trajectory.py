"""Models that a run prepares: a teacher with the checkpoints of its path, and a tuned student."""

import gc
import json
import shutil
import signal
import weakref

import pytest
import torch
from transformers import AutoModelForCausalLM

import limbeck
from limbeck.bench import open_bench
from limbeck.console import console
from limbeck.data import collate, supervised
from limbeck.models import load_model
from limbeck.recipe import parse_recipe
from limbeck.run.folder import RunFolder
from limbeck.run.preparation import prepare
from limbeck.run.teacher import TeacherStage
from limbeck.run.trainings import Trainings
from limbeck.run.tuning import kept_steps
from limbeck.sources import seed_for
from limbeck.targets import ModelTeacher
from run.tiny import DATA, MODEL, STUDENT, request, start, tree, work

TRAINING = {
    "max_steps": 10,
    "learning_rate": 5e-3,
    "per_device_train_batch_size": 8,
    "save_steps": 4,
    "use_cpu": True,
}
SFT = {"data": {**DATA, "seed": 1}, "training": TRAINING}
TEACHER = {"config": MODEL, "tokenizer": "characters", "sft": SFT, "keep_checkpoints": 3}
LORA = {"r": 4, "lora_alpha": 8}
ADAPTERS = {**TEACHER, "lora": LORA}
OWN_ROWS = {**STUDENT, "sft": {"training": TRAINING}}
SEED = seed_for("teacher", 0)
STEP = "limbeck.training.memory:Memory.on_step_end"
SAVE = "transformers:Trainer._save_optimizer_and_scheduler"


def prepared(mapping, fresh=False):
    """Do what ``limbeck sft`` does, in this process."""
    console.quiet = True
    return prepare(parse_recipe(mapping), fresh=fresh)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``made(teacher, student)``: the folder of a run that was prepared without interruption."""
    folders = {}

    def make(teacher=TEACHER, student=STUDENT):
        key = id(teacher), id(student)
        if key not in folders:
            folder = tmp_path_factory.mktemp("made") / "run"
            prepared(request(folder, teacher=teacher, student=student))
            folders[key] = folder
        return folders[key]

    return make


def stage(folder, **changes):
    """The teacher of a run that stands in a folder."""
    bench = open_bench(parse_recipe(request(folder, **changes)))
    return TeacherStage(RunFolder(folder), bench)


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@torch.no_grad()
def nats_of(model, bench):
    """Mean negative log-likelihood of the validation completions, row by row."""
    total = tokens = 0
    model.eval()
    for s in bench.for_teacher("validation"):
        ids = torch.tensor([[*s.prompt, *s.completion]])
        log_p = model(input_ids=ids).logits[0].log_softmax(-1)
        for i, token in enumerate(s.completion):
            total -= float(log_p[len(s.prompt) + i - 1, token])
            tokens += 1
    return total / tokens


@torch.no_grad()
def said(teacher, bench):
    """What a teacher says of a few validation rows: log-probabilities."""
    rows = [s for s in bench.for_teacher("validation") if s.completion][:4]
    batch = collate(rows, 0)
    target = teacher(batch, supervised(batch["labels"]))
    tokens = int(supervised(batch["labels"]).sum())
    return target.pair(torch.zeros(tokens, 103))[0]


# The path of a fine-tuning done here


@pytest.mark.parametrize(
    ("total", "count", "steps"),
    [(10, 3, [3, 7, 10]), (1000, 5, [200, 400, 600, 800, 1000]), (5, 5, [1, 2, 3, 4, 5])],
)
def test_checkpoints_are_evenly_spaced_and_end_with_the_teacher(total, count, steps):
    assert kept_steps(total, count) == steps


def test_more_checkpoints_than_steps_are_refused(tmp_path):
    """Two checkpoints of the same step would be two names for one teacher."""
    training = {k: v for k, v in TRAINING.items() if k != "max_steps"} | {"num_train_epochs": 1}
    teacher = {**TEACHER, "sft": {"data": {**DATA, "seed": 1, "rows": 16}, "training": training}}
    with pytest.raises(limbeck.RequestError, match=r"2 steps, and 3 checkpoints") as caught:
        prepared(request(tmp_path / "run", teacher=teacher))
    assert caught.value.where == "teacher.keep_checkpoints" and caught.value.mend


def test_the_path_is_plain_models_and_ends_with_the_teacher(made):
    folder = made()
    kept = sorted((folder / "teacher-path").iterdir())
    assert [p.name for p in kept] == ["01", "02", "03"]
    assert len({weights(p) for p in kept}) == 3
    assert weights(kept[-1]) == weights(folder / "teacher")
    for path in kept:
        AutoModelForCausalLM.from_pretrained(path)
        assert (path / "tokenizer.json").exists()
    assert not (folder / "checkpoints" / "teacher").exists()


def test_a_checkpoint_is_the_model_after_its_step(made, tmp_path):
    """Kept a step too early or too late, a path of few steps would look right and be wrong."""
    sft = {**SFT, "training": {**TRAINING, "lr_scheduler_type": "constant", "warmup_steps": 0}}
    folder = tmp_path / "long"
    prepared(request(folder, teacher={**TEACHER, "sft": sft}))
    training = {**sft["training"], "max_steps": 7}
    teacher = {**TEACHER, "sft": {**sft, "training": training}, "keep_checkpoints": 2}
    prepared(request(tmp_path / "short", teacher=teacher))
    assert weights(folder / "teacher-path" / "02") == weights(tmp_path / "short" / "teacher")


def test_figures_are_the_likelihood_of_the_validation_completions(made):
    folder = made()
    path = stage(folder, teacher=TEACHER).trajectory
    expected = [
        nats_of(AutoModelForCausalLM.from_pretrained(p), path.bench) for p in path.checkpoints
    ]
    assert path.figures["nats_per_token"] == pytest.approx(expected, rel=1e-5)
    assert path.best == min(range(3), key=expected.__getitem__)
    assert path.figures["checkpoints"] == path.names == ["01", "02", "03"] and len(path) == 3
    assert path.figures["rows"] == 12


def test_one_full_model_at_a_time(made, monkeypatch):
    """Two teachers of seven billion weights fit into no memory: the first goes before the next."""
    path = stage(made(), teacher=TEACHER).trajectory
    first = weakref.ref(path.teacher(0).model)
    assert path.teacher(0).model is first()

    def load(*args):
        gc.collect()
        assert first() is None
        return load_model(*args)

    monkeypatch.setattr("limbeck.run.trajectory.load_model", load)
    found = said(path.teacher(1), path.bench)
    own = AutoModelForCausalLM.from_pretrained(path.checkpoints[1])
    assert torch.allclose(found, said(ModelTeacher(own), path.bench))


def test_without_validation_completions_the_last_is_the_best(tmp_path):
    rows = "".join(json.dumps({"prompt": f"{i}="}) + "\n" for i in range(40))
    (tmp_path / "rows.jsonl").write_text(rows)
    data = {"source": str(tmp_path / "rows.jsonl")}
    mapping = request(tmp_path / "run", teacher=TEACHER, data=data, method="seqkd")
    path = prepared(mapping).path
    assert path["best"] == 2 and path["nats_per_token"] == [] and path["rows"] == 0


def test_no_path_was_asked_for(made, tmp_path):
    with pytest.raises(limbeck.RequestError, match="none are kept") as caught:
        _ = stage(tmp_path / "run", teacher=STUDENT).trajectory
    assert "keep_checkpoints" in caught.value.mend


# Adapters


def test_a_teacher_trained_as_an_adapter(made):
    folder = made(ADAPTERS)
    for name in ("01", "02", "03"):
        files = {p.name for p in (folder / "teacher-path" / name).iterdir()}
        assert "adapter_model.safetensors" in files and "model.safetensors" not in files
    path = stage(folder, teacher=ADAPTERS).trajectory
    merged = load_model(path.spec(2), "teacher", path.side.tokenizer, SEED, "float32")
    whole = AutoModelForCausalLM.from_pretrained(folder / "teacher")
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, merged.state_dict()[name], atol=1e-6), name


def test_adapters_are_switched_on_one_base(made):
    """A handle on one checkpoint speaks as that one, whatever was asked for since."""
    path = stage(made(ADAPTERS), teacher=ADAPTERS).trajectory
    handles = [path.teacher(k) for k in range(3)]
    assert len({id(h.model) for h in handles}) == 1
    for k in (2, 0, 1):
        alone = load_model(path.spec(k), "teacher", path.side.tokenizer, SEED, "float32")
        expected = said(ModelTeacher(alone), path.bench)
        assert torch.allclose(said(handles[k], path.bench), expected, atol=1e-5)
    assert not torch.allclose(said(handles[0], path.bench), said(handles[2], path.bench))


# Checkpoints of a fine-tuning done elsewhere


@pytest.fixture
def elsewhere(made, tmp_path):
    """Two checkpoints of which the first by number is the better one."""
    folder = tmp_path / "elsewhere"
    path = made() / "teacher-path"
    shutil.copytree(path / "03", folder / "checkpoint-500")
    shutil.copytree(path / "01", folder / "checkpoint-1000")
    (folder / "runs").mkdir()
    return folder


def test_checkpoints_done_elsewhere(elsewhere, tmp_path):
    """Plain methods imitate the best one; configuration and tokenizer come from there too."""
    teacher = {"checkpoints": str(elsewhere)}
    mapping = request(tmp_path / "run", teacher=teacher, training__max_steps=2)
    run = work(mapping)
    found = json.loads((run.path / "manifest.json").read_text())["stages"]["teacher path"]["result"]
    assert found["checkpoints"] == ["checkpoint-500", "checkpoint-1000"] and found["best"] == 0
    there = stage(run.path, teacher=teacher)
    assert there.prepared.model == str(elsewhere / "checkpoint-500")
    assert run.results["models"]["teacher"]["source"] == f"the best checkpoint of {elsewhere}"
    assert run.results["audit"]["tokens"]["student"]


def test_checkpoints_that_changed_under_a_run(elsewhere, tmp_path):
    mapping = request(tmp_path / "run", teacher={"checkpoints": str(elsewhere)})
    prepared(mapping)
    shutil.copy(
        elsewhere / "checkpoint-500" / "model.safetensors",
        elsewhere / "checkpoint-1000" / "model.safetensors",
    )
    with pytest.raises(limbeck.RequestError, match="the teacher changed"):
        prepared(mapping)


def test_adapters_done_elsewhere(made, tmp_path):
    path = stage(made(ADAPTERS), teacher=ADAPTERS).trajectory
    base = load_model(path.base, "teacher", path.side.tokenizer, SEED, "float32")
    base.save_pretrained(tmp_path / "base")
    path.side.tokenizer.save_pretrained(tmp_path / "base")
    teacher = {"model": str(tmp_path / "base"), "checkpoints": str(path.checkpoints[0].parent)}
    run = work(request(tmp_path / "run", teacher=teacher, training__max_steps=2))
    there = stage(run.path, teacher=teacher)
    assert there.trajectory.figures["nats_per_token"] == pytest.approx(
        path.figures["nats_per_token"], rel=1e-5
    )
    assert there.prepared.adapter == str(path.checkpoints[path.best])
    assert run.results["audit"]["tokens"]["student"]


def test_a_cache_of_the_best_checkpoint(elsewhere, tmp_path):
    from limbeck.run.caching import Wish, make_cache, verify_cache

    recipe = parse_recipe(request(tmp_path / "run", teacher={"checkpoints": str(elsewhere)}))
    make_cache(recipe, tmp_path / "cache", Wish(k=64))
    cache, found = verify_cache(recipe, tmp_path / "cache")
    assert cache.manifest.origin.teacher["name"] == str(elsewhere / "checkpoint-500")
    assert found.nats < 1e-2


def _one(folder):
    shutil.rmtree(folder / "checkpoint-1000")


def _none(folder):
    shutil.rmtree(folder)


def _mixed(folder):
    (folder / "checkpoint-1000" / "model.safetensors").rename(
        folder / "checkpoint-1000" / "adapter_model.safetensors"
    )
    (folder / "checkpoint-1000" / "adapter_config.json").write_text("{}")


def _adapters(folder):
    for path in (folder / "checkpoint-500", folder / "checkpoint-1000"):
        (path / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_one, "at least two checkpoints, and here is one"),
        (_none, "at least two checkpoints, and here is none"),
        (_mixed, "some checkpoints are adapters and some are models"),
        (_adapters, "their base is not named"),
    ],
)
def test_checkpoints_that_are_no_path(elsewhere, tmp_path, damage, words):
    """Refused before weights are loaded and before anything is written."""
    damage(elsewhere)
    with pytest.raises(limbeck.RequestError, match=words) as caught:
        prepared(request(tmp_path / "run", teacher={"checkpoints": str(elsewhere)}))
    assert str(elsewhere) in caught.value.where and caught.value.mend
    assert not (tmp_path / "run").exists()


# The student's own fine-tuning


@pytest.mark.parametrize("student", [OWN_ROWS, {**OWN_ROWS, "lora": LORA}], ids=["whole", "lora"])
def test_every_arm_begins_with_the_tuned_student(tmp_path, student):
    changes = {"student": student, "baseline": "sft", "training__learning_rate": 1e-12}
    run = work(request(tmp_path / "run", **changes, training__max_steps=2))
    begun = AutoModelForCausalLM.from_pretrained(run.path / "start").state_dict()
    bench = open_bench(parse_recipe(request(run.path, **changes)))
    raw = load_model(bench.recipe.student, "student", bench.student.tokenizer, 0, "float32")
    trainings = Trainings(RunFolder(run.path), bench, TeacherStage(RunFolder(run.path), bench))
    untouched = all(torch.equal(raw.state_dict()[n], t) for n, t in begun.items())
    assert not untouched, "the fine-tuning changed nothing"
    for name, tensor in trainings.new_student().state_dict().items():
        assert torch.equal(tensor, begun[name])
    for arm in ("student", "arms/sft"):
        trained = AutoModelForCausalLM.from_pretrained(run.path / arm).state_dict()
        for name, tensor in begun.items():
            assert torch.allclose(trained[name], tensor, atol=1e-6), (arm, name)
    assert run.results["training"]["start"]["steps"] == 10
    assert run.results["models"]["before"]["source"].endswith("fine-tuned here")


def test_the_student_is_not_tuned_on_held_out_prompts(tmp_path):
    """Data of the same seed: all its held-out prompts are the run's, and stay unseen."""
    rows = [{"prompt": f"{i}=", "completion": f"#{i}"} for i in range(200)]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    everything = {"source": str(tmp_path / "all.jsonl"), "validation": 0, "test": 0}
    data = {"source": str(tmp_path / "all.jsonl"), "validation": 0.1, "test": 0.2}
    student = {**STUDENT, "sft": {"data": everything, "training": TRAINING}}
    mapping = request(tmp_path / "run", student=student, data=data)
    bench = open_bench(parse_recipe(mapping))
    held_out = len(bench.examples.validation) + len(bench.examples.test)
    assert prepared(mapping).trained["start"]["left_out_rows"] == held_out > 10


# Interruptions


def test_a_stage_within_a_stage(tmp_path):
    """A method may ask for the best checkpoint while its arm trains; both results must last."""
    recipe = parse_recipe(request(tmp_path / "run"))
    folder = RunFolder(tmp_path / "run")
    with folder.open(recipe, {}, False):
        inner = lambda: folder.once("inner", lambda: {"x": 1})  # noqa: E731
        assert folder.once("outer", lambda: {"y": inner()["x"] + 1}) == {"y": 2}
    later = RunFolder(tmp_path / "run")
    assert later.done("outer") == {"y": 2} and later.done("inner") == {"x": 1}


KILLS = {
    "between-two-checkpoints": (TEACHER, STUDENT, (STEP, "checkpoints/teacher", 9)),
    "before-a-kept-checkpoint-gets-its-name": (TEACHER, STUDENT, ("os:replace", ".02.partial", 1)),
    "adapters-before-the-first-checkpoint": (ADAPTERS, STUDENT, (STEP, "checkpoints/teacher", 3)),
    "adapters-between-the-files-of-a-checkpoint": (ADAPTERS, STUDENT, (SAVE, "teacher", 2)),
    "the-student": (STUDENT, OWN_ROWS, (STEP, "checkpoints/start", 9)),
}


SLOW = ("before-a-kept-checkpoint-gets-its-name", "adapters-between-the-files-of-a-checkpoint")


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in KILLS]
)
def test_kill_and_prepare_again(made, tmp_path, case):
    """The same bytes in every folder that a later stage reads."""
    teacher, student, kill = KILLS[case]
    mapping = request(tmp_path / "run", teacher=teacher, student=student)
    child = start(mapping, kill)
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    prepared(mapping)
    for name in ("teacher-path", "teacher", "start"):
        assert tree(tmp_path / "run" / name) == tree(made(teacher, student) / name)


def test_distill_goes_on_where_the_preparation_ended(made, tmp_path):
    """With a plain method: the teacher is the last checkpoint, and nothing is trained twice."""
    folder = tmp_path / "run"
    mapping = request(folder, teacher=TEACHER, student=OWN_ROWS, training__max_steps=2)
    prepared(mapping)
    before = {name: tree(folder / name) for name in ("teacher-path", "teacher", "start")}
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("model.safetensors")}
    assert len(times) == 5
    run = work(mapping)
    assert {name: tree(folder / name) for name in before} == before
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    assert run.results["training"]["teacher"]["kept_steps"] == [3, 7, 10]
