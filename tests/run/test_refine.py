"""``limbeck refine`` and ``generate``: the text of a teacher that rewrites, without training."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
from benchmarks.tutor import CUPS

from limbeck.bench import open_bench
from limbeck.recipe import parse_recipe
from limbeck.run.exam import open_exam
from run.school import undo
from run.tiny import invoke, tree, write

pytestmark = pytest.mark.usefixtures("problem_files")


def attempts(path, problems_, wrong=()):
    """What a student wrote: the whole game in one step, right or a cup off."""
    lines = []
    for question, answer in problems_:
        shown = int(answer) % CUPS + 1 if question in wrong else answer
        lines.append({"prompt": question, "completion": f"{question[:-1]}{shown}#{shown}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def diagnosis_rows(mapping):
    exam = open_exam(open_bench(parse_recipe(mapping)))
    return [(e.prompt, e.answer) for e in exam.diagnosis.examples]


def test_refine_takes_answers_and_gives_text(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems = diagnosis_rows(mapping)
    wrong = [question for question, _ in problems[:3]]
    file = attempts(tmp_path / "attempts.jsonl", problems, wrong)
    path = write(tmp_path / "r.yaml", mapping)
    done = invoke("refine", path, "--attempts", file)
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "run/refined.parquet").to_pydict()
    assert len(table["rationale"]) == 24 and table["earlier"] != table["rationale"]
    assert Counter(table["origin"]) == {"first": 24}
    # Three wrong jumps, as the tutor says; two right ones.
    assert "3 missing_step" in done.output and "2 right" in done.output
    assert "refined.parquet" in done.output and not (tmp_path / "run/student").exists()
    asked = server.requests
    again = invoke(
        "refine", path, "--attempts", file, "--earlier", tmp_path / "run/refined.parquet"
    )
    assert again.exit_code == 0, again.output
    later = pq.read_table(tmp_path / "run/refined.parquet").to_pydict()
    assert later["earlier"] == table["rationale"] and server.requests > asked


def test_refine_asks_the_student_of_the_recipe(server, tmp_path):
    done = invoke("refine", write(tmp_path / "r.yaml", undo(server, tmp_path / "run")))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run/refined.parquet").exists()
    assert "attempts   5 " in done.output, "an untrained student fails in one way"


def test_refine_says_which_attempts_are_missing(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems = diagnosis_rows(mapping)
    file = attempts(tmp_path / "attempts.jsonl", problems[:3])
    done = invoke("refine", write(tmp_path / "r.yaml", mapping), "--attempts", file)
    assert done.exit_code == 2 and "2 of 5 problems have no attempt" in done.output
    assert not (tmp_path / "run").exists() and server.requests == 0


def test_refine_verifies_what_it_begins_with(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    path = write(tmp_path / "r.yaml", mapping)
    assert invoke("refine", path).exit_code == 0
    table = pq.read_table(tmp_path / "run/refined.parquet")
    wrong = table.set_column(4, "rationale", [["x#9"] * 3 + table["rationale"].to_pylist()[3:]])
    pq.write_table(wrong, tmp_path / "earlier.parquet")
    done = invoke("refine", path, "--earlier", tmp_path / "earlier.parquet")
    assert done.exit_code == 0 and "3 of 24 earlier solutions are wrong" in done.output
    pq.write_table(wrong.slice(0, 3), tmp_path / "earlier.parquet")
    done = invoke("refine", path, "--earlier", tmp_path / "earlier.parquet")
    assert done.exit_code == 2 and "none of these solutions is a right one" in done.output


def test_refine_takes_one_attempt_for_a_problem(server, tmp_path):
    mapping = undo(server, tmp_path / "run")
    problems_ = diagnosis_rows(mapping)
    file = attempts(tmp_path / "attempts.jsonl", problems_ + problems_[:2], [problems_[0][0]])
    lines = file.read_text().splitlines()
    lines[-1] = json.dumps({"prompt": problems_[1][0], "completion": "another"})
    file.write_text("\n".join(lines) + "\n")
    done = invoke("refine", write(tmp_path / "r.yaml", mapping), "--attempts", file)
    assert done.exit_code == 2 and "1 problems have two different attempts" in done.output


def test_refine_needs_a_teacher_that_rewrites(server, tmp_path):
    mapping = {**undo(server, tmp_path / "run"), "method": "seqkd", "prompts": "maths"}
    done = invoke("refine", write(tmp_path / "r.yaml", mapping))
    assert done.exit_code == 2 and "undo" in done.output and tree(tmp_path / "run") is None


def test_refine_shows_its_prompts(server, tmp_path):
    both = invoke("refine", "--show-prompts")
    assert both.exit_code == 0 and "refine.system.j2" in both.output
    own = invoke(
        "refine", write(tmp_path / "r.yaml", undo(server, tmp_path / "run")), "--show-prompts"
    )
    assert "ball under cups" in own.output and server.requests == 0


def test_generate_writes_the_first_solutions_and_the_run_goes_on_there(server, tmp_path):
    path = write(tmp_path / "r.yaml", undo(server, tmp_path / "run"))
    done = invoke("generate", path)
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "run/responses.parquet").to_pydict()
    assert len(table["response"]) == 24 and set(table["verdict"]) == {"kept"}
    assert server.requests == 29
    assert invoke("distill", path).exit_code == 0
    whole = server.requests
    assert (
        invoke("distill", write(tmp_path / "s.yaml", undo(server, tmp_path / "other"))).exit_code
        == 0
    )
    assert server.requests == 2 * whole
