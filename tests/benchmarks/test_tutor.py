"""The tutor of `benchmarks.undo`: what it writes is right, and it splits the step that failed."""

import random

import pytest
from benchmarks.transcripts import failed, transcripts
from benchmarks.tutor import (
    answer,
    chain,
    first_wrong,
    followed,
    problems,
    read,
    solved,
    split,
    tag,
)

RNG = random.Random(0)
QUESTIONS = problems(RNG, 40)


@pytest.mark.parametrize("row", QUESTIONS[:10], ids=lambda r: r["prompt"])
def test_every_solution_ends_with_the_answer_however_it_is_split(row):
    solution = solved(row["prompt"])
    for place in (2, 0, 1, 3, 2):
        start, groups = read(solution)
        assert chain(start, groups) == solution and "".join(groups) == row["prompt"][1:-1]
        assert solution.endswith(f"#{row['answer']}")
        solution = split(solution, min(place, len(groups) - 1))


def test_the_ball_moves_with_its_cup():
    assert [followed(cup, "a") for cup in range(1, 6)] == [2, 1, 3, 4, 5]
    assert followed(1, "abcd") == 5 and followed(5, "dcba") == 1


def record(solution, attempt, correct=False):
    return {"question": "", "solution": solution, "attempt": attempt, "correct": correct}


def test_it_splits_where_most_attempts_failed():
    rng = random.Random(1)
    entries = []
    for row in QUESTIONS[:9]:
        solution = solved(row["prompt"])
        attempt = failed(rng, solution)
        entries.append((first_wrong(solution, attempt), record(solution, attempt)))
    jump = [e for place, e in entries if place == 2]
    first = [e for place, e in entries if place == 0]
    assert len(jump) > 1 and first
    question = QUESTIONS[20]["prompt"]
    asked = {"question": question, "previous": solved(question), "own": None}
    assert answer({**asked, "record": jump + first[:1]}) == split(solved(question), 2)
    # Without a record it begins at the beginning; right attempts are no evidence.
    right = [{**e, "correct": True} for e in jump]
    for nothing in ([], right):
        assert answer({**asked, "record": nothing}) == split(solved(question), 0)


def test_an_attempt_of_another_problem_misleads_it():
    """This is what the shuffled control rests on."""
    pairs = zip(QUESTIONS[:20], QUESTIONS[20:], strict=True)
    places = [first_wrong(solved(a["prompt"]), solved(b["prompt"])) for a, b in pairs]
    assert places.count(0) > 15


def test_errors_have_names():
    assert tag("3ab>", "3ab1#1") == "missing_step"
    assert tag("3ab>", "3a4;4b4#4") == "incoherent"
    assert tag("3ab>", "3aa3#3") == tag("3ab>", "what?") == "misread"


def test_transcripts_are_what_the_tutor_says():
    rows = transcripts(random.Random(2), 30)
    assert len(rows) == 30
    for i, row in enumerate(rows):
        question, reply = (turn["content"] for turn in row["messages"])
        asked, _, rest = question.partition(">")
        assert reply.endswith(f"#{followed(int(asked[0]), asked[1:])}")
        if i % 2:
            previous, solution, attempt = rest.split("|")
            assert attempt != solution and reply == split(previous, first_wrong(solution, attempt))
