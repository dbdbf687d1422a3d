import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data import (
    EXTRACTORS,
    TASKS,
    VERIFIERS,
    after_marker,
    boxed,
    choice,
    exact,
    last_number,
    load_examples,
    yes_no,
)
from limbeck.data.spec import DataSpec
from limbeck.data.spec import Verifier as Named


def test_exact_looks_past_white_space_only():
    assert exact(" new\n York ", "new York")
    assert not exact("New York", "new York")


@pytest.mark.parametrize(
    ("completion", "answer", "right"),
    [
        ("She makes $18 a day.", "18", True),
        ("so 1,234.50 in all", "1234.5", True),
        ("That is 12%.", "12", True),
        ("the result is -5", "-5", True),
        ("the result is \N{MINUS SIGN}5.", "-5", True),
        ("it owes -$5", "-5", True),
        ("10-5", "5", True),
        ("x = 10 - 5 = 5.0", "5", True),
        ("0.30000000000000001", "0.3", False),
        ("about .5", "0.5", True),
        ("items 1,2,3", "3", True),
        ("first 18, then 19", "18", False),
        ("no number", "18", False),
        ("18", "no number", False),
        ("", "", False),
        ("72", "48/2 = 24 and more\n#### 72", True),
    ],
)
def test_last_number(completion, answer, right):
    assert last_number(completion, answer) is right


@pytest.mark.parametrize(
    ("completion", "answer", "right"),
    [
        ("9*2=18\n#### 18", "18", True),
        ("9*2=18\n#### $18.00\n\nQuestion: next", "work\n#### 18", True),
        ("1+2=3#3", "3", True),
        ("#1 then #### 1,000", "1000", True),
        ("####  Blue  whale.", "Blue whale", True),
        ("#### blue whale", "Blue whale", False),
        ("18", "18", False),
        ("#### ", "", False),
        ("####", "18", False),
        ("#### 18 apples", "18", False),
        ("#### nan", "nan", True),
        ("#### 1 #### 2", "1", False),
    ],
)
def test_after_marker(completion, answer, right):
    assert after_marker(completion, answer) is right


@pytest.mark.parametrize(
    ("completion", "answer", "right"),
    [
        (r"so \boxed{18}.", "18", True),
        (r"\boxed{3} and then \boxed{18.0}", "18", True),
        (r"\boxed{\frac{1}{2}}", "0.5", True),
        (r"\boxed{-\dfrac{3}{4}}", r"\frac{-3}{4}", True),
        (r"\boxed{\frac12}", "1/2", True),
        (r"\boxed{1/3}", r"\frac{1}{3}", True),
        (r"\boxed{1/3}", "0.33", False),
        (r"\boxed{10,\!000}", "10000", True),
        (r"\boxed{\$1,200}", "1200", True),
        (r"\boxed{50\%}", "50", True),
        (r"\boxed{1,2}", "12", False),
        (r"\boxed{1, 2}", "1,2", True),
        (r"\boxed{\left( 3, \frac{\pi}{2} \right)}.", r"(3,\frac{\pi}{2})", True),
        (r"\boxed{x^{2}+1}", r"$x^{2} + 1$", True),
        (r"\boxed{18}", r"work, so \boxed{18}", True),
        (r"\boxed{18}, no: \boxed{19", "18", True),
        (r"\boxed{17}", "18", False),
        (r"\boxed{}", "", False),
        (r"\boxed{1/0}", "0", False),
        ("18", "18", False),
        (r"\boxed{18", "18", False),
    ],
)
def test_boxed(completion, answer, right):
    assert boxed(completion, answer) is right


@pytest.mark.parametrize(
    ("completion", "letter"),
    [
        ("1. It floats.\nFinal answer: (C)", "C"),
        ("The answer is C.", "C"),
        ("The answer is C. Not A, not (B).", "C"),
        ("The correct answer is option **B**", "B"),
        ("Answer: D) ice", "D"),
        ("the answer is d", "D"),
        ("the answer is (d), a kind of ice", "D"),
        ("First the answer is A. No: the answer is B.", "B"),
        ("C", "C"),
        ("(c)", "C"),
        ("A is wrong\n\n**B**\n", "B"),
        ("C) 42 apples", "C"),
        (r"so \boxed{E}", "E"),
        ("not (A), so (D)", "D"),
        ("A. yes\nB. no", None),
        ("the answer is a dog", None),
        ("I think that Ada knows", None),
        ("", None),
    ],
)
def test_choice(completion, letter):
    assert EXTRACTORS["choice"](completion) == letter
    for gold in "ABCDE":
        assert choice(completion, gold) is (gold == letter)
        assert choice(completion, f"({gold})") is (gold == letter)


@pytest.mark.parametrize(
    ("completion", "answer", "right"),
    [
        ("Final answer: yes", "yes", True),
        ("No, ice floats. So: Yes.", "yes", True),
        ("That is TRUE", "yes", True),
        ("Final answer: no", "False", True),
        ("Final answer: no", "yes", False),
        ("nobody knows", "no", False),
        ("", "no", False),
    ],
)
def test_yes_no(completion, answer, right):
    assert yes_no(completion, answer) is right


@pytest.mark.parametrize(
    ("name", "completion", "found"),
    [
        ("exact", " New York\n", "New York"),
        ("exact", " \n", None),
        ("last_number", "so $1,234.50 in all", "1234.50"),
        ("last_number", "none", None),
        ("after_marker", "work\n####  18 \nmore", "18"),
        ("after_marker", "18", None),
        ("after_marker", "#### ", None),
        ("boxed", r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1", None),
        ("boxed", r"\boxed{ }", None),
        ("yes_no", "That is True", "yes"),
        ("yes_no", "perhaps", None),
    ],
)
def test_what_answer_is_read(name, completion, found):
    """None becomes the tag "format": the student is told that it gave no answer."""
    assert EXTRACTORS[name](completion) == found


def test_verifiers_extractors_and_the_recipe_know_the_same_names():
    assert set(VERIFIERS) == set(EXTRACTORS) == set(Named.__args__)


@pytest.mark.parametrize("name", TASKS)
def test_tasks_read_their_own_answers(name):
    data = load_examples(DataSpec(source=name, rows=5, validation_rows=0, test_rows=0))
    assert data.extract is not None
    for example in data.train:
        assert data.extract(example.completion) == example.answer
        assert data.extract(example.answer) is None
        assert data.extract(example.prompt + "#") is None


def test_examples_bring_verifier_and_extractor_together(jsonl):
    rows = [
        {"prompt": f"{i} + 1?", "completion": f"#{i + 1}", "answer": str(i + 1)} for i in range(9)
    ]
    columns = {name: name for name in rows[0]}
    spec = DataSpec(source=jsonl(rows), columns=columns, verifier="after_marker")
    data = load_examples(spec)
    assert data.verify is after_marker and data.extract is EXTRACTORS["after_marker"]
    assert load_examples(spec.model_copy(update={"verifier": None})).verify is exact
    bare = [{"prompt": r["prompt"], "completion": r["completion"]} for r in rows]
    data = load_examples(DataSpec(source=jsonl(bare, "bare.jsonl")))
    assert data.verify is data.extract is None


# Ends of answers of the GSM8K authors' 6B and 175B models, with the marks that ship with them
# (example_model_solutions.jsonl of github.com/openai/grade-school-math).
MARKED = [
    ("sells 2 each day so she makes 13 * 2 = $<<13*2=26>>26\nA: 26", "market.\nA: 18", False),
    ("available for sale so 2 * 9 = $<<2*9=18>>18 per day\nA: 18", "market.\nA: 18", True),
    ("2 + 1 = <<2+1=3>>3.0 bolts of blue and white fiber altogether.\nA: 3", "fabric\nA: 3", True),
    ("of 130,000-40,000=$<<130000-40000=90000>>90,000\nA: 90,000", "70,000\nA: 70000", False),
    ("was 975-130,000 = $<<975-130000=-129025>>-129025\nA: -129025", "A: 70000", False),
]


@pytest.mark.parametrize(("solution", "gold", "correct"), MARKED)
def test_marks_of_published_answers(solution, gold, correct):
    assert last_number(solution, gold) is correct


def data_folder(name):
    path = Path(os.environ.get("LIMBECK_DATA") or "nowhere", name)
    if not path.exists():
        pytest.skip(f"LIMBECK_DATA names no folder with {name}")
    return path


def rows_of(path):
    return [json.loads(x) for x in path.read_text(encoding="utf-8").strip().split("\n")]


def test_every_mark_of_the_gsm8k_answers_is_reproduced():
    """Answers would be called wrong that their authors call right, or the other way round."""
    marked = [
        (answer["solution"], row["ground_truth"], answer["is_correct"])
        for row in rows_of(data_folder("gsm8k/model_solutions.jsonl"))
        for answer in row.values()
        if isinstance(answer, dict)
    ]
    assert len(marked) == 5276
    assert [last_number(text, gold) for text, gold, _ in marked] == [mark for *_, mark in marked]
    assert all(EXTRACTORS["last_number"](text) is not None for text, _, _ in marked)


def test_every_solution_of_math500_has_its_own_answer():
    rows = rows_of(data_folder("math500/test.jsonl"))
    assert len(rows) == 500
    assert all(boxed(row["solution"], row["answer"]) for row in rows)
    distinct = [
        (a["solution"], b["answer"]) for a, b in zip(rows, rows[1:] + rows[:1], strict=True)
    ]
    assert sum(boxed(solution, answer) for solution, answer in distinct) < 15


numerals = st.text(alphabet="0123456789.,$%-# e\n\\boxed{}fracABC()answer: is")


@given(st.sampled_from(sorted(VERIFIERS)), st.text() | numerals, st.text() | numerals)
def test_no_text_makes_a_verifier_raise(name, completion, answer):
    assert VERIFIERS[name](completion, answer) in (True, False)
    found = EXTRACTORS[name](completion)
    assert found is None or found.strip()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_number_is_itself_in_any_dress(value):
    plain = f"{value:f}"
    assert last_number(f"the answer is ${value:,}.", plain)
    assert after_marker(f"#### {value:,}", plain)
    assert boxed(f"\\boxed{{{value:,}}}", plain)
