"""Grade-school maths from generate to refine, with a teacher that answers from the gold rationales."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from run.tiny import MODEL, invoke, request, write
from served.hostile import Hostile

DATA = os.environ.get("LIMBECK_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="needs GSM8K in LIMBECK_DATA")
ROWS, PROBLEMS = 60, 12


def read(name, first, last):
    with (Path(DATA) / "gsm8k" / name).open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in list(lines)[first:last]]


class Teacher:
    """Answers with the data's rationale, or with a wrong result where its place in the data says so.

    Of ten rows, the first gets a wrong solution once, the second always, the fifth twice. Rewritten,
    the third is always wrong, and the sixth once.
    """

    def __init__(self, rows):
        self.rows = {r["question"]: (i, r["answer"]) for i, r in enumerate(rows)}
        self.kinds, self.asked = Counter(), Counter()

    def __call__(self, prompt):
        if prompt.startswith("Problem:"):
            self.kinds["tag"] += 1
            return "missing_step."
        kind = "refine" if "NEW PROBLEM" in prompt else "solve"
        self.kinds[kind] += 1
        new = prompt.partition("NEW PROBLEM")[2] or prompt
        question = max((q for q in self.rows if q in new), key=len)
        place, gold = self.rows[question]
        self.asked[kind, question] += 1
        wrong = {("solve", 0): 1, ("solve", 1): 9, ("solve", 4): 2, ("refine", 1): 9}
        wrong |= {("refine", 2): 9, ("refine", 5): 1}
        failing = wrong.get((kind, place % 10), 0) if place < ROWS else 0
        text = re.sub(r"<<.*?>>", "", gold)
        if self.asked[kind, question] <= failing:
            text = re.sub(r"#### .*", "#### 987654321", text)
        return f"They forget a step.\n### Solution\n{text}" if kind == "refine" else text


@pytest.fixture
def school(tmp_path):
    """A teacher at a server, and a recipe; the student's attempts are those of a real 6B model."""
    rows = read("train.jsonl", 0, ROWS)
    solutions = read("model_solutions.jsonl", 0, PROBLEMS)
    problems = [{"question": r["question"], "answer": r["ground_truth"]} for r in solutions]
    for name, content in (
        ("train", rows),
        ("validation", read("train.jsonl", ROWS, ROWS + 10)),
        ("test", read("test.jsonl", 100, 110)),
        ("diagnosis", problems),
    ):
        text = "".join(json.dumps(r) + "\n" for r in content)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    own = [
        {"prompt": r["question"], "completion": r["6b_finetuning"]["solution"]} for r in solutions
    ]
    (tmp_path / "attempts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in own))
    columns = {"prompt": "question", "answer": "answer"}
    gold = [{"question": r["question"], "answer": f"{r['answer']}"} for r in problems]
    with Hostile(Teacher(rows + gold)) as server:
        mapping = request(
            tmp_path / "run",
            student={
                "config": {**MODEL, "max_position_embeddings": 4096},
                "tokenizer": "characters",
            },
            teacher={"server": server.url, "model": "teacher"},
            data={
                "source": str(tmp_path / "train.jsonl"),
                "validation": str(tmp_path / "validation.jsonl"),
                "test": str(tmp_path / "test.jsonl"),
                "columns": columns,
                "verifier": "last_number",
                "max_length": 4000,
            },
            diagnosis={"source": str(tmp_path / "diagnosis.jsonl"), "columns": columns},
            method={"name": "undo", "context": 100_000},
            generation={"max_new_tokens": 400},
        )
        yield server, write(tmp_path / "r.yaml", mapping), solutions


def test_from_generate_to_refine(school, tmp_path):
    server, recipe, solutions = school
    teacher = server.answer
    done = invoke("generate", recipe)
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "run/responses.parquet").to_pydict()
    assert Counter(table["verdict"]) == {"kept": 54, "wrong": 6}
    # 60 rows and 12 problems; 18 wrong rows again, of which 12 still are.
    assert teacher.kinds == {"solve": 72 + 18 + 12}
    first = pq.read_table(tmp_path / "run/rounds/000/rationales.parquet").to_pydict()
    assert Counter(first["origin"]) == {"first": 42, "retried": 12}

    done = invoke("refine", recipe, "--attempts", tmp_path / "attempts.jsonl")
    assert done.exit_code == 0, done.output
    # The first solutions are those that were generated: nothing of them was asked again.
    assert teacher.kinds["solve"] == 102
    refined = pq.read_table(tmp_path / "run/refined.parquet").to_pydict()
    assert Counter(refined["origin"]) == {"first": 42, "retried": 6, "earlier": 6}
    # All 72; once more the 6 + 6 + 6 wrong ones, and a third time those 12 that stay wrong.
    assert teacher.kinds["refine"] == 72 + 18 + 12
    assert "6 without a right one" in done.output
    kept = dict(zip(refined["question"], refined["rationale"], strict=True))
    assert not any(
        "forget" in text or "### " in text.replace("#### ", "") for text in kept.values()
    )
    assert not any("987654321" in text for text in kept.values())
    before = dict(zip(first["question"], first["rationale"], strict=True))
    fallen = [
        q for q, o in zip(refined["question"], refined["origin"], strict=True) if o == "earlier"
    ]
    assert len(fallen) == 6 and all(kept[q] == before[q] for q in fallen)

    # What the 6B model got right is what the flags that came with it say.
    right = sum(r["6b_finetuning"]["is_correct"] for r in solutions)
    diagnosis = next((tmp_path / "run/refine").glob("*/000/diagnosis.json"))
    rows = json.loads(diagnosis.read_text())["rows"]
    assert sum(row["attempt"]["correct"] for row in rows) == right
    tags = Counter(row["attempt"]["tag"] for row in rows)
    assert tags["missing_step"] == teacher.kinds["tag"] == PROBLEMS - right - tags["arithmetic"]
    assert set(server.served.values()) == {1}
    body = next(b for b in server.bodies if "NEW PROBLEM" in b["messages"][-1]["content"])
    record = body["messages"][-1]["content"]
    assert all(r["6b_finetuning"]["solution"][:60] in record for r in solutions)
