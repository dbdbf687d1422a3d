"""What the programmatic tutor would say, as rows that a small language model learns to be a tutor from.

The model is shown less than the tutor: one wrong attempt of the record, and the solution that the
learner had studied (`PROMPTS`). It has to find the first wrong step by itself, and to split it.
"""

import random
from pathlib import Path
from typing import Any

from benchmarks.tutor import CUPS, chain, first_wrong, followed, problems, read, solved, split

PROMPTS = Path(__file__).parent / "trained_prompts"


def transcripts(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Rows of ``messages``; every second one solves, the others rewrite for an attempt."""
    rows = []
    for i, row in enumerate(problems(rng, count)):
        question, asked, answer = row["prompt"], row["prompt"], solved(row["prompt"])
        if i % 2:
            places = [rng.randint(0, 2) for _ in range(rng.randint(0, 3))]
            previous, other = (
                _worked(q, places) for q in (question, problems(rng, 1)[0]["prompt"])
            )
            attempt = failed(rng, other)
            asked = f"{question}{previous}|{other}|{attempt}"
            answer = split(previous, first_wrong(other, attempt))
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        rows.append({"messages": turns})
    return rows


def failed(rng: random.Random, solution: str) -> str:
    """An attempt that takes the ball for elsewhere at some step, and goes on from there."""
    start, groups = read(solution)
    place = rng.randrange(len(groups))
    before = followed(start, "".join(groups[:place]))
    right = followed(before, groups[place])
    wrong = rng.choice([cup for cup in range(1, CUPS + 1) if cup != right])
    head = chain(start, groups[:place]).partition("#")[0]
    tail = chain(wrong, groups[place + 1 :]) if groups[place + 1 :] else f"#{wrong}"
    joint = "" if tail.startswith("#") else ";"
    return f"{head}{';' if head else ''}{before}{groups[place]}{wrong}{joint}{tail}"


def _worked(question: str, places: list[int]) -> str:
    solution = solved(question)
    for place in places:
        solution = split(solution, place)
    return solution
