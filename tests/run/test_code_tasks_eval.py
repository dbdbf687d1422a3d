"""``limbeck eval`` on code tasks: programs are drawn, run apart, each once."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from evaluation.tasks.rows import FILES, data_file
from limbeck.engines.transformers import TransformersEngine
from limbeck.evaluation import humaneval, mbpp
from limbeck.evaluation.sandbox import isolation
from limbeck.evaluation.tasks import TASKS
from limbeck.run.tasks.answering import _continuation
from run.coding import (
    ADDS,
    RIGHT,
    WRONG,
    apart,
    evaluate,
    lines,
    metrics,
    random_model,
    said,
    table,
)
from run.tiny import tree


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "weights")


@pytest.fixture
def adds(tmp_path):
    return f"humaneval={lines(tmp_path / 'adds.jsonl', ADDS)}"


@pytest.fixture
def runs(monkeypatch):
    """The programs that are run in a test."""
    found, programs = [], TASKS["humaneval"].programs

    def run(row, program, **how):
        found.append(program)
        return humaneval.run(row, program, **how)

    monkeypatch.setitem(programs.__dict__, "run", run)
    return found


@apart
@pytest.mark.parametrize("name", ["humaneval", "mbpp", "mbpp_sanitized"])
def test_reference_solutions_pass_and_broken_ones_fail(name, tmp_path):
    """A scorer that nobody can pass, or nobody can fail, measures nothing."""
    with data_file(FILES[name]).open(encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    rows = rows[:: len(rows) // 4][:4]
    task = f"{name}={lines(tmp_path / 'rows.jsonl', rows)}"
    references = [(r["task_id"], r.get("canonical_solution") or r.get("code")) for r in rows]
    done, output = evaluate(said(tmp_path, *references), task, tmp_path)
    assert done.exit_code == 0, done.output
    found, about = metrics(output, name)
    assert found["pass@1"] == found["accuracy"] == 1 and found["invalid_rate"] == 0
    assert about["main"] == "pass@1" and about["kind"] == "code" and about["n"] == 4
    assert about["isolation"] == isolation()
    own, each = table(output / f"{name}.parquet"), table(output / f"{name}.samples.parquet")
    assert own["id"] == own["document"] == each["id"] == [str(i) for i, _ in references]
    assert own["output"] == each["output"] == [text for _, text in references]
    assert each["status"] == ["passed"] * 4 and own["correct"] == [True] * 4

    module = humaneval if name == "humaneval" else mbpp
    empty = {r["task_id"]: "".join(f"def {n}(*a): pass\n" for n in module.names(r)) for r in rows}
    broken = [(i, f"```python\n{code}```") for i, code in empty.items()]
    done, output = evaluate(said(tmp_path, *broken), task, tmp_path)
    assert metrics(output, name)[0]["pass@1"] == 0
    each = table(output / f"{name}.samples.parquet")
    assert each["status"] == ["failed"] * 4 and all(each["stderr"])


@apart
def test_several_saved_programs(adds, tmp_path, runs):
    rows = [("HumanEval/901", WRONG), ("HumanEval/900", WRONG), ("HumanEval/901", RIGHT)]
    rows += [("HumanEval/900", WRONG), ("HumanEval/901", ""), ("HumanEval/900", WRONG)]
    done, output = evaluate(said(tmp_path, *rows), adds, tmp_path)
    assert done.exit_code == 0, done.output
    found, _ = metrics(output, "humaneval")
    assert found["pass@1"] == pytest.approx(1 / 6) and found["pass@2"] == pytest.approx(1 / 3)
    assert found["accuracy"] == 0 and found["invalid_rate"] == pytest.approx(1 / 6)
    assert "pass@5" not in found and "pass@2" in done.output
    each = table(output / "humaneval.samples.parquet")
    assert each["id"] == ["HumanEval/900"] * 3 + ["HumanEval/901"] * 3
    assert each["sample"] == [0, 1, 2] * 2
    assert each["output"] == [WRONG] * 3 + [WRONG, RIGHT, ""]
    # The two problems have the same prompt and tests: of each program one run is enough.
    assert sorted(runs) == ["", RIGHT, WRONG]
    # What was written is read like what was saved.
    done, again = evaluate(output / "humaneval.samples.parquet", adds, tmp_path / "again")
    assert metrics(again, "humaneval", "humaneval.samples")[0] == found

    done, output = evaluate(said(tmp_path, *rows[:-1]), adds, tmp_path / "fewer")
    assert done.exit_code == 2 and tree(output) is None
    assert "HumanEval/901 has 3 programs, and HumanEval/900 has 2" in done.output


@apart
def test_programs_that_are_no_text(adds, tmp_path):
    """Half a surrogate pair and a zero byte fail alone, and not the whole evaluation."""
    rows = [("HumanEval/900", RIGHT + "# \ud800"), ("HumanEval/901", RIGHT + "# \x00")]
    done, output = evaluate(said(tmp_path, *rows), adds, tmp_path)
    assert done.exit_code == 0, done.output
    assert table(output / "humaneval.parquet")["correct"] == [True, False]


@apart
@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (RIGHT, [], [True, True]),
        (f"```python\n{RIGHT}", [], [True, True]),
        (f"```python\n{RIGHT}```\nThis", [], [False, True]),
        (f"{RIGHT}\nprint(1)\nprint(", ["--no-chat"], [False, True]),
        (f"{RIGHT}\nprint(1)\nprint(", [], [True, False]),
    ],
)
def test_a_program_that_ends_before_the_cut_is_whole(adds, tmp_path, text, words, expected):
    """A base model never stops by itself; what it writes behind the function is of no matter."""
    rows = [{"id": r["task_id"], "output": text, "truncated": True} for r in ADDS]
    done, output = evaluate(lines(tmp_path / "said.jsonl", rows), adds, tmp_path, *words)
    assert done.exit_code == 0, done.output
    own = table(output / "humaneval.parquet")
    assert [own["truncated"][0], own["correct"][0]] == expected
    assert metrics(output, "humaneval")[0]["truncation_rate"] == expected[0]


@apart
@pytest.mark.parametrize("chat", ["--no-chat", "--chat"])
def test_a_model_draws_programs(model, adds, tmp_path, chat):
    words = [chat, "--samples", 2, "--max-new-tokens", 24, "--batch-size", 2]
    done, output = evaluate(model, adds, tmp_path, *words)
    assert done.exit_code == 0, done.output
    found, _ = metrics(output, "humaneval", "weights")
    assert {"pass@1", "pass@2"} <= set(found) and found["pass@2"] == 0
    own, each = table(output / "humaneval.parquet"), table(output / "humaneval.samples.parquet")
    assert len(own["id"]) == 2 and len(each["id"]) == 4
    assert own["output"] == each["output"][::2] and len(set(each["text"])) == 4
    assert set(each["status"]) <= {"failed", "timeout", "memory", "killed"}


@apart
def test_interrupted_nothing_is_asked_or_run_twice(model, adds, tmp_path, runs, monkeypatch):
    """Hours of writing programs, and of running them."""
    asked = []
    generate = TransformersEngine.generate

    def counted(self, prompts, sampling, seed):
        asked.append(sampling)
        return generate(self, prompts, sampling, seed)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    words = ["--no-chat", "--max-new-tokens", 16, "--samples"]
    _, whole = evaluate(model, adds, tmp_path / "whole", *words, 3)
    assert len(asked) == 3 and {(s.temperature, s.top_p) for s in asked} == {(0.8, 0.95)}
    expected = table(whole / "humaneval.samples.parquet")
    asked.clear(), runs.clear()

    def interrupted(row, program, **how):
        if len(runs) == 1:
            raise KeyboardInterrupt
        runs.append(program)
        return humaneval.run(row, program, **how)

    one = partial(ThreadPoolExecutor, 1)
    with monkeypatch.context() as patch:
        patch.setitem(TASKS["humaneval"].programs.__dict__, "run", interrupted)
        patch.setattr("limbeck.evaluation.sandbox.many.ThreadPoolExecutor", lambda _: one())
        done, output = evaluate(model, adds, tmp_path, *words, 2)
    assert done.exit_code == 1 and "goes on where it was" in done.output
    assert len(asked) == 2 and len(runs) == 1 and not (output / "eval.json").exists()
    first = list(runs)
    asked.clear(), runs.clear()
    done, output = evaluate(model, adds, tmp_path, *words, 2)
    assert done.exit_code == 0 and not asked and runs and first[0] not in runs
    # More programs go on from those that there are, and are those of a run that was never stopped.
    runs.clear()
    done, output = evaluate(model, adds, tmp_path, *words, 3)
    assert len(asked) == 1 and len(runs) <= 2
    found = table(output / "humaneval.samples.parquet")
    for column in ("id", "sample", "output", "status", "truncated"):
        assert found[column] == expected[column], column


@apart
def test_one_program_is_greedy_unless_a_temperature_is_given(model, adds, tmp_path, monkeypatch):
    asked = []
    generate = TransformersEngine.generate
    monkeypatch.setattr(
        TransformersEngine,
        "generate",
        lambda self, p, sampling, seed: asked.append(sampling) or generate(self, p, sampling, seed),
    )
    for words in ([], ["--temperature", 0.2], ["--temperature", 0]):
        done, _ = evaluate(model, adds, tmp_path, "--no-chat", "--max-new-tokens", 4, *words)
        assert done.exit_code == 0, done.output
    # Nothing is drawn at 0, and the first answer stands.
    assert [(s.temperature, s.top_p) for s in asked] == [(0.0, 1.0), (0.2, 0.95)]


def test_the_first_space_of_a_program_is_kept():
    """Some tokenizers drop the space that a text begins with: an IndentationError each time."""

    class Dropping:
        def decode(self, ids, **_):
            return "".join(chr(i) for i in ids).removeprefix(" ")

    prompt, tokens = ([ord(c) for c in text] for text in ("def f():\n", "    return 1"))
    assert _continuation(Dropping(), prompt, tokens) == "    return 1"
