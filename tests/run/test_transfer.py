"""Data refined for one student, given to another: two real runs against a tutor over HTTP."""

import contextlib
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.tutor import PROMPTS, TutorServer, problems

from limbeck.bench import open_bench
from limbeck.data import Example, Message, load_examples, read_examples
from limbeck.errors import RequestError
from limbeck.recipe import load_recipe, parse_recipe
from limbeck.run.donors import Donor, open_donors
from limbeck.run.matched import Matched, held_out, match, solutions
from limbeck.run.transfer import training, transfer
from run.tiny import MODEL, invoke, request, tree, work

FEW = ["training.max_steps=2", "training.save_steps=2", "training.eval_steps=2"]

FILES = {"source": "train", "validation": "dev", "test": "test"}


def undo(output, url, **changes):
    """A run of a rewriting teacher in which the student learns next to nothing."""
    first = {
        "teacher": {"server": url, "model": "tutor"},
        "data": {
            **{k: str(output.parent / f"{name}.jsonl") for k, name in FILES.items()},
            "verifier": "after_marker",
        },
        "method": {"name": "undo", "rounds": 1, "diagnosis": 4},
        "prompts": str(PROMPTS),
        "generation": {"max_new_tokens": 36},
        "evaluate": None,
        "training__max_steps": 3,
    }
    return work(request(output, **{**first, **changes}))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folders of two runs: a small student after one refinement, a wider one after two."""
    folder = tmp_path_factory.mktemp("undo")
    rows = problems(random.Random(0), 44, swaps=4)
    for name, some in {"train": rows[:24], "dev": rows[24:32], "test": rows[32:]}.items():
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (folder / f"{name}.jsonl").write_text(lines)
    wider = {"config": {**MODEL, "hidden_size": 48}, "tokenizer": "characters"}
    twice = {"name": "undo", "rounds": 2, "diagnosis": 4, "least_gain": -1.0}
    with TutorServer() as server:
        undo(folder / "small", server.url)
        undo(folder / "wide", server.url, student=wider, method=twice)
    return folder / "small", folder / "wide"


OUT = Path("out")


@pytest.fixture(scope="module")
def made(two, tmp_path_factory):
    """A finished transfer in the folder ``out`` of this one."""
    folder = tmp_path_factory.mktemp("transfer")
    with contextlib.chdir(folder):
        transfer(two, OUT, FEW)
    return folder


@pytest.fixture
def done(made, tmp_path, monkeypatch):
    """A copy of it, in the folder where we are; what was found."""
    shutil.copytree(made / OUT, tmp_path / OUT)
    monkeypatch.chdir(tmp_path)
    return json.loads((OUT / "transfer.json").read_text())


@pytest.fixture
def copies(two, tmp_path):
    """The two runs, to be tampered with."""
    return [shutil.copytree(path, tmp_path / path.name) for path in two]


def table(run, round_):
    return run / "rounds" / f"{round_:03}" / "rationales.parquet"


def edit(path, change):
    """Rows of a table, changed by a function from rows to rows."""
    pq.write_table(pa.Table.from_pylist(change(pq.read_table(path).to_pylist())), path)


def without(*keys):
    return lambda rows: [r for r in rows if r["key"] not in keys]


def alter(path, change):
    """A JSON file, changed in place."""
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def keys_of(path):
    return pq.read_table(path).to_pydict()["key"]


def test_every_student_meets_the_data_of_every_student(two, done):
    """A cell that is missing, or scored on other rows, and the matrix says nothing."""
    found = done
    assert found["schema"] == "limbeck.transfer/1"
    assert [s["name"] for s in found["students"]] == ["small", "wide"]  # both are llamas
    pairs = [(c["trained"], c["data_of"], c["own"]) for c in found["cells"]]
    assert pairs == [
        ("small", "small", True),
        ("small", "wide", False),
        ("wide", "small", False),
        ("wide", "wide", True),
    ]
    for c in found["cells"]:
        before, after = (items(c[side]["run"]) for side in ("first", "refined"))
        assert list(before) == list(after) and len(before) == 12 == c["delta"]["n"]
        assert set(before) == set(items(two[0]))


def test_a_gain_is_refined_minus_first(two, done):
    """The other way round, a harm would read as a help."""
    mark("small-on-small-0", [0])
    mark("small-on-small-1", [1, 2, 3])
    found = transfer(two, OUT, FEW)
    own, other = (cell(found, "small", name) for name in ("small", "wide"))
    assert own["delta"]["difference"] == pytest.approx(2 / 12)
    assert (own["delta"]["n10"], own["delta"]["n01"]) == (3, 1)
    assert other["delta"]["difference"] == pytest.approx(-1 / 12)
    assert [own[side]["accuracy"]["value"] * 12 for side in ("first", "refined")] == [1, 3]
    assert own["first"]["accuracy"]["low"] > 0
    untouched = cell(found, "wide", "small")
    assert untouched["delta"]["difference"] == 0
    page = (OUT / "transfer.md").read_text()
    assert "**+16.7 [" in page and "(8.3 \N{RIGHTWARDS ARROW} 25.0)**" in page
    assert "\N{MINUS SIGN}8.3 [" in page and "(8.3 \N{RIGHTWARDS ARROW} 0.0)" in page


def mark(run, right):
    """Let a run have had these test rows right, and no others."""
    path = OUT / "runs" / run / "items" / "student.parquet"
    edit(path, lambda rows: [r | {"correct": i in right} for i, r in enumerate(rows)])


def cell(found, trained, data_of):
    (one,) = [c for c in found["cells"] if (c["trained"], c["data_of"]) == (trained, data_of)]
    return one


def items(run):
    found = pq.read_table(f"{run}/items/student.parquet").to_pydict()
    return dict(zip(found["key"], found["correct"], strict=True))


def test_the_refined_data_is_of_the_round_that_was_kept(two, done, copies):
    """Text of another round would be credited to the wrong student."""
    found = done
    # Neither learnt anything, so both kept the first student: then it is the last refinement.
    told = [(s["kept_round"], s["refined_round"], s["rounds"]) for s in found["students"]]
    assert told == [(0, 1, 2), (0, 2, 3)]

    def keep(results):
        results["training"]["student"]["kept_round"] = 1

    alter(copies[1] / "results.json", keep)
    one = open_donors(copies, ())[1]
    assert (one.kept, one.round) == (1, 1)
    rows = pq.read_table(table(copies[1], 1)).to_pydict()
    assert one.refined == dict(zip(rows["key"], rows["rationale"], strict=True)) != one.first


def test_students_are_trained_as_in_their_runs_on_the_solutions_alone(two, done):
    """With gold completions, or another start, the comparison would be of something else."""
    run = OUT / "runs" / "small-on-wide-2"
    recipe = load_recipe(run / "recipe.yaml")
    own = load_recipe(two[0] / "recipe.yaml")
    assert (recipe.student, recipe.seed) == (own.student, own.seed)
    assert recipe.training == {**own.training, "max_steps": 2, "save_steps": 2, "eval_steps": 2}
    assert recipe.method == {"name": "sft"} and recipe.teacher is None
    assert recipe.evaluate.max_new_tokens == own.generation.max_new_tokens
    assert recipe.data.verifier == "after_marker"
    rows = pq.read_table(table(two[1], 2)).to_pydict()
    written = dict(zip(rows["key"], rows["rationale"], strict=True))
    trained_on = {e.key: e.completion for e in read_examples(recipe.data.path)}
    assert trained_on == written
    assert all(e.answer is not None for e in read_examples(recipe.data.path))
    before = items_of("before", run), items_of("before", two[0])
    assert before[0] == before[1]  # the same start, the same test rows


def test_rows_of_a_built_in_task_are_marked_as_the_task_marks_them(tmp_path):
    """As a file they have no task; read by another rule, every student would score nothing."""
    bench = open_bench(parse_recipe(request(tmp_path, teacher=None, method="sft")))
    donor = Donor("a", None, bench, {}, {}, 1, 1)
    splits = [held_out(donor, split, tmp_path) for split in ("validation", "test")]
    matched = Matched({e.key: e for e in bench.examples.train}, 0)
    text = solutions("a-0", matched, {e.key: e.completion for e in bench.examples.train}, tmp_path)
    for each in (text, *splits):
        each.write()
    found = load_examples(training(donor, text, splits, tmp_path).data)
    assert [e.key for e in found.test] == [e.key for e in bench.examples.test]
    for e in found.test:
        for said in (e.completion, f"#{e.answer}9", e.answer, ""):
            assert found.verify(said, e.answer) == bench.examples.verify(said, e.answer)


def items_of(arm, run):
    return pq.read_table(run / "items" / f"{arm}.parquet", columns=["key", "output"]).to_pydict()


def test_the_same_words_are_trained_on_once(done):
    """The tutor's first solutions are the same for everybody."""
    names = sorted(p.name for p in (OUT / "runs").iterdir())
    assert names == sorted(
        f"{student}-on-{text}"
        for student in ("small", "wide")
        for text in ("small-0", "small-1", "wide-2")
    )
    small = [c["first"]["run"] for c in done["cells"] if c["trained"] == "small"]
    assert small == [str(OUT / "runs" / "small-on-small-0")] * 2


def test_a_second_call_trains_nothing(two, done):
    before = tree(OUT)
    assert transfer(two, OUT, FEW) == done
    assert tree(OUT) == before


def test_only_what_is_missing_is_trained(two, done):
    """As after a kill: what is gone is made again, and what is there stays as it is."""
    gone = OUT / "runs" / "wide-on-small-1"
    shutil.rmtree(gone)
    (OUT / "transfer.json").unlink()
    kept = tree(OUT / "runs")
    assert transfer(two, OUT, FEW) == done == json.loads((OUT / "transfer.json").read_text())
    now = tree(OUT / "runs")
    assert {k: v for k, v in now.items() if not k.startswith(gone.name)} == kept != now


def test_only_problems_with_a_solution_in_all_tables_count(copies):
    """The rows that a filter let through would be compared instead of the words."""
    keys = keys_of(table(copies[0], 0))
    edit(table(copies[0], 0), without(keys[0]))
    edit(table(copies[0], 1), without(keys[1], keys[2]))
    edit(table(copies[1], 0), without(keys[2]))
    edit(table(copies[1], 2), without(keys[5]))
    edit(table(copies[1], 1), without(keys[7]))  # of a round that is not asked for

    def lengthen(rows):
        return [r | {"rationale": "1" * 70} if r["key"] == keys[9] else r for r in rows]

    edit(table(copies[1], 2), lengthen)
    matched = match(open_donors(copies, ()))
    assert list(matched.problems) == [k for i, k in enumerate(keys) if i not in (0, 1, 2, 5, 9)]
    assert matched.too_long == 1


@pytest.mark.parametrize(
    "prompt", ["2+2=\u2028?", (Message("system", "Be brief."), Message("user", "2+2?"))]
)
@pytest.mark.parametrize("completion", ["vier \U0001f600\n#4", None])
def test_rows_are_read_as_they_were_written(prompt, completion, tmp_path):
    """A conversation that became text would be scored in another format than it was trained in."""
    e = Example(prompt, completion, "4")
    matched = Matched({e.key: e}, 0)
    if completion is None:
        bench = SimpleNamespace(examples=SimpleNamespace(test=[e]))
        text = held_out(SimpleNamespace(bench=bench), "test", tmp_path)
    else:
        text = solutions("a-0", matched, {e.key: completion}, tmp_path)
    text.write()
    assert read_examples(text.file) == [e]


def test_no_problem_in_common_is_refused(copies, tmp_path):
    keys = keys_of(table(copies[0], 0))
    edit(table(copies[0], 1), without(*keys[:12]))
    edit(table(copies[1], 0), without(*keys[12:]))
    out = tmp_path / "out"
    with pytest.raises(RequestError, match="no problem has a solution in all tables"):
        transfer(copies, out)
    assert not out.exists()


def test_the_command_prints_the_matrix(two, done):
    said = invoke("transfer", *two, "-o", OUT, *FEW)
    assert said.exit_code == 0, said.output
    assert "data of small" in said.stdout and "24 problems" in said.stdout
    assert str(OUT / "transfer.md") in said.stdout
    page = (OUT / "transfer.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert rows[0] == ["trained student", "data of small", "data of wide"]
    assert [row[0] for row in rows[2:]] == ["small", "wide"]
    for i, row in enumerate(rows[2:], 1):
        bold = [j for j, text in enumerate(row) if text.startswith("**")]
        assert bold == [i]


def student_is(run, text):
    """Another student in the recipe of a run."""
    recipe = (run / "recipe.yaml").read_text()
    start, end = recipe.index("student:"), recipe.index("teacher:")
    (run / "recipe.yaml").write_text(f"{recipe[:start]}student: {text}\n{recipe[end:]}")


def test_names_come_from_the_models_where_these_differ(copies):
    """Two runs of llamas are told apart by their folders, two models by their names."""
    for copy, name in zip(copies, ("Qwen3-0.6B", "SmolLM2"), strict=True):
        model = shutil.copytree(copy / "student", copy.parent / name)
        student_is(copy, f"{{model: {model}}}")
    assert [d.name for d in open_donors(copies, ())] == ["Qwen3-0.6B", "SmolLM2"]


def test_students_start_where_their_runs_started(copies):
    """From another start, or with another tokenizer, a gain would be of something else."""
    one, other = copies
    shutil.copytree(one / "student", one / "start")
    student_is(one, "{config: {model_type: llama}, tokenizer: characters, sft: {}, lora: {r: 2}}")
    student_is(other, "{config: {model_type: llama, hidden_size: 64}}")  # as the teacher reads
    tuned, plain = (d.bench.recipe.student for d in open_donors(copies, ()))
    assert (tuned.model, tuned.sft, tuned.lora.r) == (str(one / "start"), None, 2)
    assert plain.tokenizer == str(other / "student")


WRONG = {
    "one run": (lambda a, b: [a], ["runs of two students", "limbeck transfer RUN RUN"]),
    "no run": (lambda a, b: [a, b.parent / "none"], ["no finished run", "none"]),
    "the same run": (lambda a, b: [a, b, a], ["one run"]),
    "the same student": (
        lambda a, b: [a, shutil.copytree(a, a.parent / "again")],
        ["the same student", "again"],
    ),
    "a settled key": (lambda a, b: [a, b, "data.rows=3"], ["data.rows is settled", "training"]),
    "a wrong key": (lambda a, b: [a, b, "training.speed=1"], ["no training argument 'speed'"]),
    "a run without rounds": (
        lambda a, b: [
            a,
            told(b, lambda r: r["training"]["student"]["rounds"].__delitem__(slice(1, 9))),
        ],
        ["nothing was refined", "wide"],
    ),
    "another method": (
        lambda a, b: [a, told(b, lambda r: r["method"].update(name="seqkd"))],
        ["seqkd", "method: undo"],
    ),
    "another data set": (
        lambda a, b: [a, other_data(b)],
        ["different data", "data.source is", "and 'b'"],
    ),
    "other test rows": (
        lambda a, b: [a, fewer_items(b)],
        ["different test rows", "12 and 11 rows", "max_items"],
    ),
    "solutions that are gone": (lambda a, b: [a, no_solutions(b)], ["round 2 are gone"]),
}


def told(run, change):
    alter(run / "results.json", change)
    return run


def other_data(run):
    alter(run / "manifest.json", lambda m: m["hashes"].update(data="0"))
    return told(run, lambda r: r["recipe"]["data"].update(source="b"))


def fewer_items(run):
    path = run / "items" / "student.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    return run


def no_solutions(run):
    table(run, 2).unlink()
    return run


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(copies, tmp_path, case):
    arguments, words = WRONG[case]
    said = invoke("transfer", *arguments(*copies), "-o", tmp_path / "out")
    assert said.exit_code == 2, said.output
    heard = " ".join(said.stderr.split())
    assert all(word in heard for word in words), heard
    assert "mend:" in heard and not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["other words", "other rows"])
def test_a_folder_of_another_transfer_is_refused_and_left_alone(two, done, copies, change):
    """Finished trainings of other data must never pass for these."""
    before = tree(OUT)
    if change == "other words":
        arguments = [*two, "training.max_steps=1"]
    else:
        edit(table(copies[0], 0), lambda rows: rows[1:])
        arguments = [*copies, *FEW]
    said = invoke("transfer", *arguments, "-o", OUT)
    assert said.exit_code == 2 and "--output" in said.stderr, said.output
    assert tree(OUT) == before
