"""HumanEval and MBPP: reference solutions pass, and broken ones do not."""

import io
import json
import os
import tokenize
from functools import partial
from pathlib import Path

import pytest

from limbeck.errors import RequestError
from limbeck.evaluation import humaneval, mbpp
from limbeck.evaluation.sandbox import isolation, run_many

DATA = Path(os.environ.get("LIMBECK_DATA", "nowhere"))
SETS = {
    "humaneval": (humaneval, "canonical_solution", ["test"], 164),
    "mbpp": (mbpp, "code", ["prompt", "test", "validation", "train"], 974),
    "sanitised mbpp": (mbpp, "code", ["sanitized"], 427),
}
SWAPS = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "*", "<": ">", ">": "<"}
SWAPS |= {"==": "!=", "!=": "==", "<=": ">", ">=": "<", "and": "or", "or": "and", "in": "not in"}
SWAPS |= {"True": "False", "False": "True", "min": "max", "max": "min", "return": "yield"}
SWAPS |= {"+=": "-=", "-=": "+=", "sum": "len", "len": "sum", "sorted": "list"}


def rows_of(name):
    files = SETS[name][2]
    paths = [DATA / name.split()[-1] / f"{file}.jsonl" for file in files]
    if not all(path.exists() for path in paths):
        pytest.skip("LIMBECK_DATA does not hold the data set")
    try:
        isolation()
    except RequestError as reason:
        pytest.skip(str(reason))
    return [
        json.loads(line) for path in paths for line in path.open(encoding="utf-8", newline="\n")
    ]


def broken(source):
    """Copies of a program with one token changed, those that parse."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError):
        return
    lines = source.splitlines(keepends=True)
    for token in reversed(tokens):
        other = SWAPS.get(token.string)
        if token.type == tokenize.NUMBER:
            other = f"({token.string}+1)"
        elif token.type == tokenize.STRING:
            other = f"({token.string}*2)"
        if other:
            row, start = token.start
            line = lines[row - 1]
            changed = line[:start] + other + line[token.end[1] :]
            text = "".join([*lines[: row - 1], changed, *lines[row:]])
            try:
                compile(text, "<broken>", "exec")
            except SyntaxError:
                continue
            yield text


def programs(name, row):
    """The row's whole reference program and how it is run."""
    module, field = SETS[name][:2]
    text = row[field].replace("\r\n", "\n")
    if module is humaneval:
        start = row["prompt"]
        return start + text, lambda p: humaneval.run({**row}, p.removeprefix(start))
    return text, partial(mbpp.run, row)


def survivors(name, rows):
    """Rows none of whose broken programs fails: for each, changes are tried until one does."""

    def first_failure(row):
        whole, run = programs(name, row)
        start = row["prompt"] if name == "humaneval" else ""
        tried = None
        for text in broken(whole):
            if text.startswith(start):
                tried = run(text)
                if not tried.passed:
                    break
        return tried

    outcomes = run_many([partial(first_failure, row) for row in rows])
    return [r["task_id"] for r, o in zip(rows, outcomes, strict=True) if o is None or o.passed]


def failures(name, rows):
    outcomes = run_many([partial(programs(name, r)[1], programs(name, r)[0]) for r in rows])
    pairs = zip(rows, outcomes, strict=True)
    return {r["task_id"]: (o.status, o.stderr[-300:]) for r, o in pairs if not o.passed}


@pytest.mark.parametrize("name", SETS)
def test_some_references_pass_and_break(name):
    """A task that nobody can pass, or nobody can fail, measures nothing."""
    rows = rows_of(name)
    assert len(rows) == SETS[name][3]
    chosen = rows[:: len(rows) // 8]
    assert failures(name, chosen) == {}
    assert survivors(name, chosen[:6]) == []


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("humaneval", [f"HumanEval/{n}" for n in (32, 33, 38, 50)]),
        ("mbpp", [126, 367, 533, 596, 601, 927]),
    ],
)
def test_the_unusual_ones_pass(name, ids):
    """Tests that use helpers, classes, types or imports of the program, or a builtin's name."""
    rows = [row for row in rows_of(name) if row["task_id"] in ids]
    assert len(rows) == len(ids)
    assert failures(name, rows) == {}
    assert survivors(name, rows) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_reference_passes(name):
    assert failures(name, rows_of(name)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_every_reference_breaks(name):
    assert survivors(name, rows_of(name)) == []


def test_text_is_cut_at_what_begins_something_new():
    body = "    return x\n"
    assert humaneval.cut(body + "\ndef g():\n    pass") == body
    assert humaneval.cut(body + "    # a thought\nprint(1)") == body + "    # a thought"
    assert humaneval.cut(body) == body
    code = "def f(x):\n    return x\n\ndef g(x):\n    return x\n"
    assert mbpp.cut(code + "\nassert f(1) == 1") == code
    assert mbpp.cut("\nclass A:\n    pass\nprint(A)") == "\nclass A:\n    pass"


def test_the_prompt_of_mbpp_shows_the_first_test():
    row = {"text": "Double it.", "test_list": ["assert f(1) == 2", "assert f(2) == 4"]}
    assert mbpp.prompt(row) == '"""\nDouble it.\nassert f(1) == 2\n"""\n'
