"""The command line teaches, answers machines, and never shows a traceback unasked."""

import importlib
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

import limbeck
from limbeck.methods import METHODS
from run.tiny import STUDENT, invoke, request, tree, work, write

ROOT = Path(__file__).parents[2]
MAIN_JOB = importlib.import_module("limbeck.run.distill")  # limbeck.run.distill is its function
COMMANDS = ("demo", "distill", "doctor", "methods", "report", "sft")


def python(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return work(request(folder, baseline="sft", training__max_steps=3)).path


# Help


def test_help_says_what_it_is_and_how_to_begin():
    done = invoke("--help")
    assert done.exit_code == 0
    for word in ("limbeck demo", "limbeck doctor RECIPE", "limbeck distill RECIPE", *COMMANDS):
        assert word in " ".join(done.stdout.split())
    for word in ("0 done", "1 the work failed", "2 the request was wrong"):
        assert word in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("demo", ["no downloads", "--controls", "--output", "--seed", "recipe.yaml"]),
        ("distill", ["RECIPE", "KEY=VALUE", "--fresh", "--quiet", "--debug", "student", "report"]),
        ("doctor", ["RECIPE", "--json", "exit code 0 ready", "Writes nothing"]),
        ("methods", ["name", "--json", "formula"]),
        ("report", ["--json", "report.html", "results.json"]),
        ("sft", ["RECIPE", "--fresh", "keep_checkpoints", "lora", "OUTPUT/start", "goes on from"]),
    ],
)
def test_each_command_teaches(command, words):
    done = invoke(command, "--help")
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "Usage:" in text
    for word in words:
        assert word in text, word


def test_nothing_is_help():
    done = invoke()
    assert "Usage:" in done.output and done.exit_code in (0, 2)


def test_version():
    done = invoke("--version")
    assert done.exit_code == 0 and done.stdout.strip() == limbeck.__version__


@pytest.mark.parametrize(
    "arguments", [["distil", "x.yaml"], ["distill"], ["distill", "x.yaml", "--frsh"], ["report"]]
)
def test_wrong_usage_is_exit_code_2(arguments):
    done = invoke(*arguments)
    assert done.exit_code == 2 and "Usage:" in done.stderr and not done.stdout


# Methods


def test_all_methods_as_a_table():
    done = invoke("methods")
    assert done.exit_code == 0 and "limbeck methods NAME" in done.stdout
    for name in METHODS:
        assert name in done.stdout


@pytest.mark.parametrize("name", METHODS)
def test_one_method_in_full(name):
    done = invoke("methods", name)
    assert done.exit_code == 0
    assert " ".join(METHODS[name].formula.split()) in " ".join(done.stdout.split())
    assert METHODS[name].paper.url in done.stdout


def test_methods_for_machines():
    found = json.loads(invoke("methods", "--json").stdout)
    assert [m["name"] for m in found] == list(METHODS)
    for method in found:
        assert json.loads(invoke("methods", method["name"], "--json").stdout) == method
        assert method["summary"] and method["formula"] and method["paper"]["url"]
        assert set(method["choices"]) >= {"source", "target", "divergence", "weight", "reduction"}
        assert all(option["meaning"] for option in method["options"]), method["name"]
        assert method["needs_teacher"] == (method["name"] != "sft")


def test_a_misspelt_method():
    done = invoke("methods", "gdk")
    assert done.exit_code == 2 and "did you mean gkd?" in done.stderr


# Reports


def test_a_report_again(finished):
    page = (finished / "report.html").read_bytes()
    (finished / "report.html").unlink()
    done = invoke("report", finished)
    assert done.exit_code == 0, done.output
    assert (finished / "report.html").read_bytes() == page
    results = json.loads((finished / "results.json").read_text())
    text = " ".join(done.stdout.split())
    assert results["verdict"].split(":")[0] in text
    assert str(finished / "report.html") in done.stdout
    assert str(finished / "student") in done.stdout


def test_a_report_for_machines(finished):
    before = tree(finished)
    done = invoke("report", finished, "--json")
    assert json.loads(done.stdout) == json.loads((finished / "results.json").read_text())
    assert tree(finished) == before


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_no_report(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    done = invoke("report", path)
    assert done.exit_code == 2 and "no finished run" in done.stderr and "mend:" in done.stderr


def test_results_that_are_no_json(tmp_path):
    (tmp_path / "results.json").write_text("{")
    done = invoke("report", tmp_path)
    assert done.exit_code in (1, 2) and "Traceback" not in done.stderr and done.stderr


# A run's own words


def test_distill_again_says_that_it_is_finished(tmp_path):
    mapping = request(tmp_path / "run", training__max_steps=2)
    file = write(tmp_path / "tiny.yaml", mapping)
    first = invoke("distill", file)
    assert first.exit_code == 0, first.output
    assert "training student" in first.stderr and "report.html" in first.stdout
    assert "training student" not in first.stdout, "results on stdout, progress on stderr"
    again = invoke("distill", file)
    assert again.exit_code == 0 and "this run is finished" in again.stderr
    assert again.stdout == first.stdout
    quiet = invoke("distill", file, "--fresh", "--quiet")
    assert quiet.exit_code == 0 and "training" not in quiet.stderr


def test_sft_prepares_and_distill_goes_on(tmp_path):
    """What is printed is what was measured, and nothing is trained twice."""
    training = {"max_steps": 4, "eval_steps": 2, "use_cpu": True}
    tuned = {**STUDENT, "sft": {"training": training}}
    mapping = request(
        tmp_path / "run",
        teacher={**tuned, "keep_checkpoints": 2},
        student=tuned,
        training__max_steps=2,
    )
    file = write(tmp_path / "tiny.yaml", mapping)
    done = invoke("sft", file)
    assert done.exit_code == 0, done.output
    assert "training teacher" in done.stderr and "training start" in done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    stages = {name: stage["result"] for name, stage in manifest["stages"].items()}
    assert set(stages) == {"train teacher", "train start", "teacher path"}
    for name in ("train teacher", "train start"):
        assert f"{stages[name]['eval_curve'][-1]['eval_loss']:.4f} nats" in done.stdout
    for nats in stages["teacher path"]["nats_per_token"]:
        assert f"{nats:.4f}" in done.stdout
    assert str(tmp_path / "run" / "start") in done.stdout and "best" in done.stdout
    again = invoke("sft", file)
    assert again.exit_code == 0 and again.stdout == done.stdout and "training" not in again.stderr
    whole = invoke("distill", file)
    assert whole.exit_code == 0, whole.output
    assert "training teacher" not in whole.stderr and "training start" not in whole.stderr
    fresh = invoke("sft", file, "--fresh", "--quiet")
    assert fresh.exit_code == 0 and fresh.stdout == done.stdout
    assert not (tmp_path / "run" / "results.json").exists()


def test_the_resolved_recipe_runs_again(finished, tmp_path):
    done = invoke("distill", finished / "recipe.yaml")
    assert done.exit_code == 0 and "this run is finished" in done.stderr


def test_demo_is_an_ordinary_recipe(tmp_path, monkeypatch):
    """Its steps are cut down here; everything else is as it ships."""
    import limbeck.recipe

    shipped = Path(limbeck.__file__).parent / "cli" / "quickstart.yaml"
    small = [
        "training={max_steps: 2, per_device_train_batch_size: 4}",
        "teacher.sft.training={max_steps: 2, per_device_train_batch_size: 4}",
        "teacher.sft.data.rows=100",
        "data.rows=40",
        "data.labelled=20",
        "data.test_rows=8",
        "data.validation_rows=4",
        "generation.max_new_tokens=200",
        "teacher.config.hidden_size=32",
        "student.config.hidden_size=32",
        "teacher.config.max_position_embeddings=256",
        "student.config.max_position_embeddings=256",
        "evaluate.max_new_tokens=4",
    ]
    original = limbeck.recipe.load_recipe

    def load(path, overrides):
        assert Path(path) == shipped
        return original(path, [*overrides, *small])

    monkeypatch.setattr(limbeck.recipe, "load_recipe", load)
    done = invoke("demo", "--output", tmp_path / "demo", "--seed", "5", "--controls")
    assert done.exit_code == 0, done.output
    recipe = yaml.safe_load((tmp_path / "demo" / "recipe.yaml").read_text())
    assert recipe["seed"] == 5 and recipe["controls"] is True
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert results["name"] == "quickstart"
    assert {"teacher", "sft", "student", "control_gold", "control_labelled"} <= set(
        results["models"]
    )


# Errors


def boom(*args, **kwargs):
    raise ZeroDivisionError("first line\nsecond line")


def test_an_unexpected_error(monkeypatch, tmp_path):
    monkeypatch.setattr(MAIN_JOB, "opened", boom)
    file = write(tmp_path / "tiny.yaml", request(tmp_path / "run"))
    done = invoke("distill", file)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "error: unexpected: ZeroDivisionError: first line",
        "mend: run again with --debug, and report it",
    ]
    done = invoke("distill", file, "--debug")
    assert done.exit_code == 1 and "Traceback" in done.stderr and "in boom" in done.stderr


def test_a_wrong_request_under_debug_is_still_one(tmp_path):
    done = invoke("distill", tmp_path / "no.yaml", "--debug")
    assert done.exit_code == 2 and "Traceback" in done.stderr
    assert "there is no such recipe" in done.stderr


def test_control_c(monkeypatch, tmp_path):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(MAIN_JOB, "opened", stop)
    done = invoke("distill", write(tmp_path / "tiny.yaml", request(tmp_path / "run")))
    assert done.exit_code == 1 and "goes on where it was" in done.stderr


# The package


def test_import_is_light():
    code = (
        "import time; t = time.perf_counter(); import limbeck, sys; "
        "print(time.perf_counter() - t); dir(limbeck); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'scipy', 'pydantic')))"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1


def test_help_is_light():
    began = time.monotonic()
    done = python("-m", "limbeck", "--help")
    assert done.returncode == 0 and "demo" in done.stdout
    assert time.monotonic() - began < 5  # under 2 s where nothing else runs
    code = "import sys; from limbeck.cli import app; sys.exit('torch' in sys.modules)"
    assert python("-c", code).returncode == 0


def test_public_names():
    import limbeck.training

    assert limbeck.DistillTrainer is limbeck.training.DistillTrainer
    assert limbeck.methods.METHODS is METHODS
    assert callable(limbeck.distill) and callable(limbeck.divergences.forward_kl)
    assert set(limbeck.__all__) <= set(dir(limbeck))
    with pytest.raises(AttributeError, match="no attribute 'distil'"):
        _ = limbeck.distil


def test_the_installed_script():
    script = Path(sys.executable).parent / "limbeck"
    if not script.exists():
        pytest.skip("limbeck is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == limbeck.__version__


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from this tree, and installed where nothing of the tree is."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    built = python("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = folder.glob("*.whl")
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    done = python("-m", "pip", "install", *options, "--target", folder / "site", file)
    assert done.returncode == 0, done.stderr
    (folder / "empty").mkdir()
    return file, folder / "site", folder / "empty"


def test_the_wheel_holds_what_is_not_python(wheel):
    names = zipfile.ZipFile(wheel[0]).namelist()
    for name in (
        "limbeck/py.typed",
        "limbeck/cli/quickstart.yaml",
        "limbeck/reports/report.html.j2",
        "limbeck/reports/report.css",
    ):
        assert name in names, name
    assert not [n for n in names if n.startswith(("tests", "docs", "benchmarks")) or ".pyc" in n]
    shipped = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "limbeck").rglob("*.py")}
    assert shipped <= set(names)


@pytest.mark.parametrize("arguments", [["--help"], ["methods"], ["demo", "--help"]])
def test_the_wheel_runs_without_the_source(wheel, arguments):
    _, site, empty = wheel
    where = python("-c", "import limbeck; print(limbeck.__file__)", cwd=empty, PYTHONPATH=str(site))
    assert where.stdout.startswith(str(site))
    done = python("-m", "limbeck", *arguments, cwd=empty, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert ("gkd" if arguments == ["methods"] else "Usage:") in done.stdout
    assert not list(empty.iterdir())


@pytest.mark.slow
def test_the_wheel_makes_a_report(wheel, tmp_path):
    _, site, empty = wheel
    file = write(tmp_path / "tiny.yaml", request(tmp_path / "run", training__max_steps=2))
    done = python("-m", "limbeck", "distill", str(file), cwd=empty, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
