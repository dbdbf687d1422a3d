"""The text alone, from a teacher behind an API: several answers to a prompt, and which are kept."""

import itertools
import json
import signal
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from limbeck.data import DataSpec, load_examples
from limbeck.errors import LimbeckError
from run.tiny import DATA, invoke, request, start, work, write
from served.hostile import Hostile

ROWS = {**DATA, "rows": 24, "labelled": 8}
SMALL = {
    "method": "seqkd",
    "data": ROWS,
    "training__max_steps": 2,
    "evaluate": {"max_new_tokens": 16, "max_items": 4, "samples": 0},
    "generation": {"max_new_tokens": 30, "num_return_sequences": 4, "only_correct": True},
}
KINDS = ("right", "spaced", "wrong", "cut")


class Teacher(Hostile):
    """To each prompt, in turn: a right answer, the same with other spaces, a wrong one, a cut one.

    To the prompts of ``ignorant`` it gives wrong ones instead of right ones. It says what it said
    only where it is asked one thing at a time.
    """

    def __init__(self, ignorant=()):
        super().__init__(self.reply)
        self.ignorant = set(ignorant)
        self.turns = defaultdict(lambda: itertools.cycle(KINDS))
        examples = load_examples(DataSpec(**ROWS))
        self.train = examples.train
        rows = [*examples.train, *examples.validation, *examples.test]
        self.gold = {e.prompt: e.completion or e.hidden for e in rows}

    def reply(self, prompt):
        kind = next(self.turns[prompt])
        self.finish_reason = "length" if kind == "cut" else "stop"
        if kind == "wrong" or prompt in self.ignorant:
            return "#-99999"
        return f"  {self.gold[prompt]}\n" if kind == "spaced" else self.gold[prompt]


@pytest.fixture
def server():
    with Teacher() as server:
        yield server


def served(server, output, **changes):
    teacher = {"server": server.url, "model": "teacher", "concurrency": 1}
    teacher["prices"] = {"input": 10.0, "output": 30.0}
    return request(output, **{**SMALL, "teacher": teacher} | changes)


def table(output):
    return pq.read_table(output / "responses.parquet").to_pylist()


def test_every_answer_is_kept_or_left_out_for_a_reason(server, tmp_path):
    """24 prompts; to every fourth the teacher has nothing but wrong answers."""
    server.ignorant = {e.prompt for e in server.train[::4]}
    output = tmp_path / "run"
    recipe = write(tmp_path / "r.yaml", served(server, output))
    done = invoke("generate", recipe)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "prompts 24, 18 of them with an answer that is kept" in said
    wrong = 18 + 6 * 3
    assert f"answers 96: 18 kept, 24 unfinished, {wrong} wrong, 18 duplicates" in said
    assert (
        "right 56.2% of 96 with a gold answer" in said
    )  # the cut ones of the 18 are right as well
    tokens = sum(len(b["prompt"].split()) for b in server.bodies)
    assert f"spent {tokens:,} tokens of prompts" in said and ", money 0." in said
    assert str(output / "responses.parquet") in done.stdout

    rows = table(output)
    assert [r["example"] for r in rows] == [i for i in range(24) for _ in range(4)]
    verdicts = ["kept", "duplicate", "wrong", "unfinished"]
    for i, example in enumerate(server.train):
        four = rows[4 * i : 4 * i + 4]
        ignorant = example.prompt in server.ignorant
        assert (
            [r["verdict"] for r in four] == (["wrong"] * 3 + verdicts[3:]) if ignorant else verdicts
        )
        assert [r["finished"] for r in four] == [True, True, True, False]
        assert [r["correct"] for r in four] == [not ignorant] * 2 + [False, not ignorant]
        assert {r["prompt"] for r in four} == {example.prompt}
        assert {r["key"] for r in four} == {example.key}
    lengths = sorted(r["tokens"] for r in rows if r["verdict"] == "kept")
    assert f"min {lengths[0]}.0," in said and f"max {lengths[-1]}.0 " in said

    # The run goes on from there: nothing is asked but the four questions of the evaluation.
    asked = len(server.bodies)
    assert asked == 96
    done = invoke("distill", recipe)
    assert done.exit_code == 0, done.output
    assert [b["temperature"] for b in server.bodies[asked:]] == [0] * 4
    text = json.loads((output / "results.json").read_text())["text"]
    counts = {"answered_by_teacher": 24, "answers": 96, "finished": 72, "kept": 18, "sequences": 18}
    counts |= {"unfinished": 24, "wrong": wrong, "duplicates": 18}
    assert {name: text[name] for name in counts} == counts
    assert text["correct"] == 54 / 96
    trained = pq.read_table(output / "rounds/000/text.parquet").to_pydict()
    assert trained["example"] == [r["example"] for r in rows if r["verdict"] == "kept"]
    page = (output / "report.html").read_text()
    for words in ("the verifier says they are wrong", "said before to the same prompt"):
        assert words in page

    # Of a finished run the table is written again, and nobody is asked.
    asked = len(server.bodies)
    (output / "responses.parquet").unlink()
    assert invoke("generate", recipe).exit_code == 0
    assert table(output) == rows and len(server.bodies) == asked


def test_each_sample_has_a_seed_of_its_own(server, tmp_path):
    generation = {"max_new_tokens": 30, "num_return_sequences": 3}
    found = work(served(server, tmp_path / "run", generation=generation), command="generate")
    seeds = defaultdict(set)
    for body in server.bodies:
        seeds[body["prompt"]].add(body["seed"])
    assert len(seeds) == 24 and {len(s) for s in seeds.values()} == {3}
    assert len(server.bodies) == 72
    # Without only_correct a wrong answer is as good as another.
    assert Counter(r["verdict"] for r in found.rows) == {"kept": 48, "duplicate": 24}


def test_a_larger_number_pays_only_for_the_additional_ones(server, tmp_path):
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run"))
    less = "generation.num_return_sequences=2"
    assert invoke("generate", recipe, less).exit_code == 0 and len(server.bodies) == 48
    done = invoke("generate", recipe)
    assert done.exit_code == 2 and "num_return_sequences" in done.output
    assert invoke("generate", recipe, "--fresh").exit_code == 0
    assert set(server.served.values()) == {1} and len(server.served) == 96


def test_killed_in_the_middle_and_resumed_nothing_is_asked_twice(server, tmp_path):
    """The kill comes when an answer has been stored and before the next is asked."""
    mapping = served(server, tmp_path / "run")
    child = start(mapping, ("limbeck.sources.budget:Spent.plus", "", 50), "generate")
    child.join(120)
    assert child.exitcode == -signal.SIGKILL and sum(server.served.values()) == 50
    assert not (tmp_path / "run/responses.parquet").exists()
    work(mapping, command="generate")
    assert set(server.served.values()) == {1} and len(server.served) == 96
    with Teacher() as another:
        work(served(another, tmp_path / "whole"), command="generate")
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_the_text_outlives_the_server(server, tmp_path):
    """What was written is read, and the run's other questions are the first to be missed."""
    mapping = served(server, tmp_path / "run")
    work(mapping, command="generate")
    mapping["teacher"]["server"] = "http://127.0.0.1:9/v1"  # nobody is there
    rows = table(tmp_path / "run")
    work(mapping, command="generate")
    assert table(tmp_path / "run") == rows
    done = invoke("distill", write(tmp_path / "r.yaml", mapping))
    assert done.exit_code == 2 and "no answer" in done.output


def test_where_the_verifier_rejects_everything_three_answers_are_shown(server, tmp_path):
    server.ignorant = {e.prompt for e in server.train}
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run"))
    for command in ("generate", "distill"):
        done = invoke(command, recipe)
        assert done.exit_code == 1 and "the verifier rejects every answer" in done.output
        assert done.output.count("answer   #-99999") == 3 and "72 that came" in done.output
        assert f"gold     {server.train[0].answer}" in done.output
    assert {r["verdict"] for r in table(tmp_path / "run")} == {"wrong", "unfinished"}
    assert len(server.bodies) == 96 + 4 * ("evaluate teacher" in _stages(tmp_path / "run"))


def test_where_no_answer_ends_the_table_is_there_all_the_same(server, tmp_path):
    """To see what was written instead."""
    server.turns = defaultdict(lambda: itertools.repeat("cut"))
    with pytest.raises(LimbeckError, match="no answer of the teacher came to an end"):
        work(served(server, tmp_path / "run"), command="generate")
    assert {r["verdict"] for r in table(tmp_path / "run")} == {"unfinished"}


def _stages(run):
    return json.loads((run / "manifest.json").read_text())["stages"]


def test_the_budget_stops_it_and_a_raised_one_goes_on(server, tmp_path):
    recipe = write(tmp_path / "r.yaml", served(server, tmp_path / "run"))
    stopped = invoke("generate", recipe, "teacher.budget.tokens=90")
    assert stopped.exit_code == 1 and "the budget is spent" in stopped.output
    assert 0 < sum(server.served.values()) < 96
    resumed = invoke("generate", recipe, "teacher.budget.tokens=100000")
    assert resumed.exit_code == 0, resumed.output
    assert set(server.served.values()) == {1} and len(server.served) == 96
