"""A programmatic tutor behind the OpenAI protocol: it adds the step that a learner is seen to miss.

Problems are a shell game: a ball under one of five cups, and swaps of neighbouring cups (``a`` swaps
the first two, ``d`` the last two). ``3abdcbdac>`` asks under which cup the ball ends. A solution is a
chain of steps, each of which may do several swaps at once, ``3a3;3b2;2dcbdac4#4``: the first solutions
of this tutor do two single swaps and then jump to the end, as experts do. Asked to rewrite one with
a learner's record, it finds the first step that each wrong attempt got wrong, and splits the step
where most attempts failed in two; shown an attempt at the problem itself, the one that failed there.
Without a record it knows no better than to spell out the first step; a record that is not this
learner's misleads it. It remembers nothing between requests: what it knows stands in them.

    python -m benchmarks.tutor --port 8765 --problems studies/data/cups    # for studies/undo.yaml

writes problems, and answers until it is stopped.
"""

import argparse
import itertools
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PROMPTS = Path(__file__).parent / "tutor_prompts"
"""Templates that put what the tutor reads into JSON."""

CUPS, SWAPS = 5, "abcd"
ROWS = {"train": 2000, "validation": 220, "test": 300}

_STEP = re.compile(rf"(\d)([{SWAPS}]*)(\d)")


def problems(rng: random.Random, count: int, swaps: int = 8) -> list[dict[str, str]]:
    """Different problems and their answers, as rows of ``prompt`` and ``answer``."""
    found: dict[str, str] = {}
    while len(found) < count:
        first, moves = rng.randint(1, CUPS), "".join(rng.choices(SWAPS, k=swaps))
        found[f"{first}{moves}>"] = str(followed(first, moves))
    return [{"prompt": prompt, "answer": answer} for prompt, answer in found.items()]


def write_problems(folder: Path, seed: int) -> None:
    """``train``, ``validation`` and ``test.jsonl``; each problem is in one file only."""
    rows = iter(problems(random.Random(seed), sum(ROWS.values())))
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in ROWS.items():
        lines = [json.dumps(row) + "\n" for row in itertools.islice(rows, count)]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def followed(cup: int, moves: str) -> int:
    """Where the ball is after the swaps."""
    for move in moves:
        left = SWAPS.index(move) + 1
        cup = {left: left + 1, left + 1: left}.get(cup, cup)
    return cup


def answer(asked: Mapping[str, Any]) -> str:
    """What the tutor says to a prompt of `PROMPTS`."""
    if "attempt" in asked:
        return tag(asked["question"], asked["attempt"])
    if "previous" not in asked:
        return solved(asked["question"])
    votes = Counter(
        first_wrong(entry["solution"], entry["attempt"])
        for entry in asked["record"]
        if not entry["correct"] and entry["solution"]
    )
    place = min(votes, key=lambda step: (-votes[step], step)) if votes else 0
    previous = asked["previous"] or solved(asked["question"])
    return split(previous, first_wrong(previous, asked["own"]) if asked["own"] else place)


def solved(question: str) -> str:
    """The first solution: two single swaps, then the rest in one step."""
    first, moves = int(question[0]), question[1:].rstrip(">")
    return chain(first, [group for group in (moves[:1], moves[1:2], moves[2:]) if group])


def split(solution: str, place: int) -> str:
    """The solution with one of its steps done in two; before a single swap it says where the ball is."""
    start, groups = read(solution)
    group = groups[place]
    half = len(group) // 2
    return chain(start, [*groups[:place], group[:half], group[half:], *groups[place + 1 :]])


def first_wrong(solution: str, attempt: str) -> int:
    """The place of the first step of an attempt that is not the solution's."""
    right, written = (text.partition("#")[0].split(";") for text in (solution, attempt))
    pairs = zip(right, written, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(right), len(written)) - 1)


def tag(question: str, attempt: str) -> str:
    """The kind of an error, in one word."""
    steps = [_STEP.fullmatch(step) for step in attempt.partition("#")[0].split(";")]
    known = [step for step in steps if step]
    if "".join(step[2] for step in known) != question[1:].rstrip(">"):
        return "misread"
    wrong = [step for step in known if followed(int(step[1]), step[2]) != int(step[3])]
    return "missing_step" if any(len(step[2]) > 1 for step in wrong) else "incoherent"


def chain(start: int, groups: list[str]) -> str:
    """The solution that does these groups of swaps, one group a step."""
    steps, cup = [], start
    for group in groups:
        after = followed(cup, group)
        steps.append(f"{cup}{group}{after}")
        cup = after
    return f"{';'.join(steps)}#{cup}"


def read(solution: str) -> tuple[int, list[str]]:
    """Where the ball begins, and the swaps of each step of a solution."""
    steps = [step for step in map(_STEP.fullmatch, solution.partition("#")[0].split(";")) if step]
    return int(steps[0][1]), [step[2] for step in steps]


class TutorServer(ThreadingHTTPServer):
    """The tutor on a port of its own of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests = 0
        self.pause_seconds = 0.0

    @property
    def url(self) -> str:
        """Base of its API."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> "TutorServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        super().__exit__(*error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: TutorServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "tutor", "object": "model", "created": 0}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests += 1
        time.sleep(self.server.pause_seconds)
        prompt = body["messages"][-1]["content"]
        text = answer(json.loads(prompt))
        choice = {"index": 0, "finish_reason": "stop"}
        tokens = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text)}
        self._send(
            {
                "id": "tutor",
                "object": "chat.completion",
                "created": 0,
                "model": "tutor",
                "choices": [{**choice, "message": {"role": "assistant", "content": text}}],
                "usage": {**tokens, "total_tokens": sum(tokens.values())},
            }
        )

    def _send(self, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Write problems, and serve until somebody stops it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--problems", type=Path, help="a folder for train, validation and test")
    args = parser.parse_args()
    if args.problems is not None:
        write_problems(args.problems, 0)
    with TutorServer(args.port) as server:
        print(f"answers at {server.url}; Ctrl-C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main()
