"""Code tasks where nothing keeps programs apart, in recipes, and wishes that cannot be met."""

import pytest

from limbeck.errors import RequestError
from limbeck.evaluation.sandbox import isolation, ways
from run.coding import ADDS, RIGHT, WRONG, apart, evaluate, lines, metrics, random_model, said
from run.tiny import MODEL, request, tree, work


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "weights")


@pytest.fixture
def adds(tmp_path):
    return f"humaneval={lines(tmp_path / 'adds.jsonl', ADDS)}"


@pytest.fixture
def nowhere(monkeypatch):
    """A machine on which nothing keeps programs apart."""
    monkeypatch.setattr(ways, "_refused", lambda way: "not here")


def test_without_a_sandbox_nothing_is_asked(model, adds, tmp_path, nowhere, monkeypatch):
    """Falling back in silence would run a stranger's program on the user's files."""
    monkeypatch.setattr("limbeck.run.evaluating.load_model", None)
    for place in (model, said(tmp_path, ("HumanEval/900", RIGHT), ("HumanEval/901", RIGHT))):
        done, output = evaluate(place, adds, tmp_path)
        assert done.exit_code == 2 and tree(output) is None
        assert "bubblewrap" in done.output and "--unsafe" in done.output


def test_unsafe_goes_on_with_a_warning(adds, tmp_path, nowhere):
    place = said(tmp_path, ("HumanEval/900", RIGHT), ("HumanEval/901", WRONG))
    done, output = evaluate(place, adds, tmp_path, "--unsafe")
    assert done.exit_code == 0, done.output
    assert "warning" in done.stderr and "without a sandbox" in " ".join(done.stderr.split())
    found, about = metrics(output, "humaneval")
    assert found["pass@1"] == 0.5 and about["isolation"] == "none"


@apart
def test_unsafe_where_there_is_a_sandbox(adds, tmp_path):
    place = said(tmp_path, ("HumanEval/900", RIGHT), ("HumanEval/901", WRONG))
    done, output = evaluate(place, adds, tmp_path, "--unsafe")
    assert done.exit_code == 0 and "warning" not in done.output
    assert metrics(output, "humaneval")[1]["isolation"] == isolation()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--samples", 0], "at least one"),
        (["--samples", 2, "--temperature", -1], "at least 0"),
        (["--samples", 2, "--temperature", 0], "the same program 2 times"),
    ],
)
def test_wishes_that_cannot_be_met(model, adds, tmp_path, words, said):
    done, output = evaluate(model, adds, tmp_path, *words)
    assert done.exit_code == 2 and said in done.output and tree(output) is None


def test_samples_without_a_code_task(model, tmp_path):
    rows = lines(tmp_path / "gsm8k.jsonl", [{"question": "1+1", "answer": "#### 2"}])
    done, output = evaluate(model, f"gsm8k={rows}", tmp_path, "--samples", 2)
    assert done.exit_code == 2 and "code tasks only" in done.output and tree(output) is None


def recipe(tmp_path, adds):
    wide = {"config": {**MODEL, "max_position_embeddings": 512}, "tokenizer": "characters"}
    return request(
        tmp_path / "run",
        student=wide,
        teacher=wide,
        training__max_steps=2,
        evaluate={"max_new_tokens": 8, "samples": 0, "tasks": [adds]},
    )


@apart
@pytest.mark.slow
def test_a_recipe_runs_programs(adds, tmp_path):
    run = work(recipe(tmp_path, adds))
    found = run.results["tasks"]["humaneval"]
    assert set(found["metrics"]) == {"teacher", "before", "student"}
    assert all(f["pass@1"]["value"] == 0 for f in found["metrics"].values())
    assert "humaneval" in run.report.read_text(encoding="utf-8")


def test_a_recipe_without_a_sandbox_is_refused(adds, tmp_path, nowhere):
    with pytest.raises(RequestError, match="kept apart"):
        work(recipe(tmp_path, adds))
    assert tree(tmp_path / "run") is None
