"""UNDO where nothing is a double: the demo's teacher behind ``transformers serve``, and real kills."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from benchmarks.tutor import PROMPTS, TutorServer, problems

from limbeck.recipe import load_recipe
from limbeck.run.preparation import prepare
from run.tiny import MODEL, request, start, work, write
from served.transformers_server import needs_server, served_by_transformers

pytestmark = pytest.mark.slow
QUICKSTART = Path(__file__).parents[2] / "src/limbeck/cli/quickstart.yaml"


@needs_server
@pytest.mark.timeout(1200)
def test_the_demos_teacher_behind_a_real_server(tmp_path):
    """Its context of 128 characters has no room for a record, so its prompt is the question alone."""
    made = tmp_path / "made"
    prepare(load_recipe(QUICKSTART, [f"output={made}", "training.use_cpu=true"]))
    words = tmp_path / "words"
    words.mkdir()
    for name in ("solve", "refine", "tag"):
        (words / f"{name}.system.j2").write_text("")
        (words / f"{name}.user.j2").write_text("{{ question }}")
    (words / "refine.user.j2").write_text("{{ question }}{% if record %}{% endif %}")
    (words / "tag.user.j2").write_text("{{ question }}{% if attempt %}{% endif %}")
    with served_by_transformers(made / "teacher", tmp_path) as url:
        mapping = request(
            tmp_path / "run",
            student={
                "config": {**MODEL, "max_position_embeddings": 128},
                "tokenizer": "characters",
            },
            teacher={"server": url, "model": str(made / "teacher"), "budget": {"tokens": 10**6}},
            data={
                "source": "chain_arithmetic",
                "options": {"terms": [4, 4]},
                "rows": 60,
                "validation_rows": 30,
                "test_rows": 20,
                "labelled": 0,
                "chat": True,
            },
            method={"name": "undo", "rounds": 1, "least_gain": -1.0},
            prompts=str(words),
            generation={"max_new_tokens": 48},
            evaluate={"max_new_tokens": 32, "samples": 0},
        )
        results = work(mapping).results
    rounds = results["training"]["student"]["rounds"]
    assert len(rounds) == 2 and all(r["rationales"]["dropped"] < 30 for r in rounds)
    assert results["evaluation"]["metrics"]["teacher"]["accuracy"]["value"] > 0.5
    # Greedily, the same question has the same answer: the second round asks for nothing new but
    # a few more draws for what was wrong.
    assert results["costs"]["teacher"]["answers"] < 60 + 20 + 20 + 3 * 60
    assert (tmp_path / "run/report.html").exists()


def school(folder, server, output, **teacher):
    """A recipe of a refine run with 40 problems and a student that never learned."""
    found = iter(problems(random.Random(3), 80))
    for name, count in (("train", 40), ("validation", 30), ("test", 10)):
        path = folder / f"{name}.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps(next(found)) + "\n" for _ in range(count)))
    return request(
        output,
        student={"config": {**MODEL, "max_position_embeddings": 96}, "tokenizer": "characters"},
        teacher={"server": server.url, "model": "tutor", **teacher},
        data={
            "source": str(folder / "train.jsonl"),
            "validation": str(folder / "validation.jsonl"),
            "test": str(folder / "test.jsonl"),
            "verifier": "after_marker",
        },
        method="undo",
        prompts=str(PROMPTS),
        generation={"max_new_tokens": 24},
        evaluate={"max_new_tokens": 24, "samples": 0},
    )


def refined(output):
    return pq.read_table(output / "refined.parquet").to_pydict()


@pytest.mark.timeout(1200)
def test_ten_kills_after_an_answer_cost_no_request(tmp_path):
    """Each comes when an answer has been stored: what is paid for is not asked again."""
    with TutorServer() as server:
        work(school(tmp_path, server, tmp_path / "whole"), command="refine")
        whole, server.requests = server.requests, 0
        mapping = school(tmp_path, server, tmp_path / "run", concurrency=1)
        drawn = random.Random(7)
        for _ in range(10):
            count = drawn.randint(1, 12)
            child = start(mapping, ("limbeck.sources.budget:Spent.plus", "", count), "refine")
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
        work(mapping, command="refine")
    assert refined(tmp_path / "run") == refined(tmp_path / "whole")
    assert server.requests == whole


@pytest.mark.timeout(1200)  # eleven starts of a process that imports everything
def test_ten_kills_at_any_moment_lose_no_more_than_what_was_in_flight(tmp_path):
    concurrency, kills = 4, 0
    with TutorServer() as server:
        server.pause_seconds = 0.15
        work(school(tmp_path, server, tmp_path / "whole"), command="refine")
        whole, server.requests = server.requests, 0
        path = write(
            tmp_path / "r.yaml", school(tmp_path, server, tmp_path / "run", concurrency=concurrency)
        )
        drawn, words = (
            random.Random(8),
            [sys.executable, "-m", "limbeck", "refine", str(path), "-q"],
        )
        for _ in range(10):
            child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seen = server.requests
            while child.poll() is None and server.requests == seen:
                time.sleep(0.01)
            time.sleep(drawn.uniform(0.0, 0.8))
            if child.poll() is None:
                child.kill()
                kills += 1
            child.wait()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert kills >= 3
    assert refined(tmp_path / "run") == refined(tmp_path / "whole")
    assert whole <= server.requests <= whole + kills * concurrency
