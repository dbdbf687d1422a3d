"""Every task's worked solutions are worked out again here, by other means."""

import itertools
import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data import TASKS, DataSpec, load_examples, split_of
from limbeck.data.tasks import build
from limbeck.errors import RequestError

NAMES = sorted(TASKS)


def problems(name, count=1000, **options):
    task, rng = build(TASKS[name], name, options), random.Random(5)
    return task, [task.problem(rng) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_the_worked_solution_passes_and_a_corrupted_one_does_not(name):
    task, examples = problems(name)
    rng = random.Random(0)
    for e in examples:
        assert set(e.prompt) | set(e.completion) <= set(task.alphabet)
        assert task.verify(e.completion, e.answer)
        work = e.completion.rpartition("#")[0]
        i = rng.randrange(len(e.answer))
        other = rng.choice([c for c in task.alphabet if c not in e.answer[i] + "# "])
        assert not task.verify(f"{work}#{e.answer[:i]}{other}{e.answer[i + 1 :]}", e.answer)
        assert not task.verify(e.completion + "0", e.answer)
        assert not task.verify(work, e.answer)
        assert not task.verify(e.answer, e.answer)


@given(st.sampled_from(NAMES), st.text(), st.text(max_size=5))
def test_no_text_makes_a_task_raise(name, completion, answer):
    assert TASKS[name]().verify(completion, answer) in (True, False)


def test_chain_arithmetic_works_from_left_to_right():
    _, examples = problems("chain_arithmetic", terms=[3, 6])
    for e in examples:
        assert re.fullmatch(r"[1-9]([+-][1-9])+=", e.prompt)
        expression = e.prompt[:-1]
        work, _, answer = e.completion.partition("#")
        steps = work.split(";")
        operands = re.findall(r"[+-]?\d", expression)
        assert len(steps) == len(operands) - 1 == e.difficulty - 1
        for i, step in enumerate(steps):
            left, _, right = step.rpartition("=")
            assert eval(left) == int(right) == eval("".join(operands[: i + 2]))
            assert left.endswith(operands[i + 1])
        assert eval(expression) == int(answer) == int(e.answer)
    assert {e.difficulty for e in examples} == {3, 4, 5, 6}


def test_long_addition_carries():
    _, examples = problems("long_addition", digits=[1, 6])
    carries = 0
    for e in examples:
        a, b = map(int, re.fullmatch(r"(\d+)\+(\d+)=", e.prompt).groups())
        assert e.answer == str(a + b)
        columns = e.completion.partition("#")[0].split(";")
        assert len(columns) == e.difficulty == len(str(max(a, b)))
        for power, column in enumerate(columns):
            x, y, carry_in, total, digit, carry = map(
                int, re.fullmatch(r"(\d)\+(\d)\+(\d)=(\d+):(\d)c(\d)", column).groups()
            )
            unit = 10**power
            assert (x, y) == (a // unit % 10, b // unit % 10)
            assert carry_in == (a % unit + b % unit) // unit
            assert total == x + y + carry_in == 10 * carry + digit
            assert digit == (a + b) // unit % 10
            carries += carry
    assert carries > 500


def test_list_sorting_takes_the_smallest_each_time():
    _, examples = problems("list_sorting", items=[2, 7], largest=20)
    for e in examples:
        numbers = list(map(int, e.prompt.removesuffix(">").split(",")))
        steps = e.completion.partition("#")[0].split(";")
        assert len(steps) == len(numbers) == e.difficulty
        taken, before = [], numbers
        for step in steps:
            first, _, rest = step.partition(":")
            after = list(map(int, rest.split(","))) if rest else []
            taken.append(int(first))
            assert Counter(before) - Counter(after) == Counter([int(first)])
            assert all(int(first) <= n for n in after)
            assert after == [n for i, n in enumerate(before) if i != before.index(int(first))]
            before = after
        assert taken == sorted(numbers) == list(map(int, e.answer.split(",")))
    assert any(len(set(e.prompt[:-1].split(","))) < e.difficulty for e in examples)  # ties too


def test_facts_are_looked_up_one_after_the_other():
    _, examples = problems("fact_lookup", facts=[4, 6], steps=[1, 4])
    for e in examples:
        told, _, question = e.prompt.partition(";")
        facts = dict(fact.split(" is ") for fact in told.split(","))
        asked, way = question.rstrip("?"), []
        while not asked.isdigit():
            way.append(f"{asked} is {facts[asked]}")
            asked = facts[asked]
        assert e.completion == ";".join(way) + "#" + asked and e.answer == asked
        assert len(way) == e.difficulty
    assert {e.difficulty for e in examples} == {1, 2, 3, 4}


def test_names_are_the_capitals_inside_sentences():
    _, examples = problems("name_extraction", names=[1, 4], words=[2, 8])
    for e in examples:
        sentences = [s.split() for s in e.prompt.removesuffix("=").split(".") if s.strip()]
        found = [w for words in sentences for w in words[1:] if w[0].isupper()]
        assert all(words[0][0].isupper() for words in sentences), "which makes no name"
        assert e.answer == ",".join(dict.fromkeys(found)) and len(found) == e.difficulty
        assert e.completion == ";".join(found) + "#" + e.answer


def test_the_most_frequent_mark_is_the_label_and_never_tied():
    _, examples = problems("majority_label", words=[2, 12])
    for e in examples:
        marks = re.findall(r"\+([xyz])", e.prompt)
        counts = {label: marks.count(label) for label in "xyz"}
        best = max(counts.values())
        assert [label for label in "xyz" if counts[label] == best] == [e.answer]
        assert e.completion == "".join(f"{k}{n}" for k, n in counts.items()) + "#" + e.answer
    assert {e.answer for e in examples} == set("xyz")


def test_boolean_logic_evaluates_one_operator_at_a_time():
    def value(expression):
        return eval(expression.replace("T", "True").replace("F", "False"))

    def operators(expression):
        return len(re.findall("and|or|not", expression))

    _, examples = problems("boolean_logic", operators=[1, 7])
    for e in examples:
        steps = [e.prompt[:-1], *e.completion.partition("#")[0].split(";")]
        assert [operators(s) for s in steps] == list(range(e.difficulty, -1, -1))
        assert {value(s) for s in steps} == {e.answer == "T"}
        assert steps[-1] == e.answer
        for one, two in itertools.pairwise(steps):
            i = next(i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
            tail = len(two) - i - 1
            assert two[i] in "TF" and one[len(one) - tail :] == two[i + 1 :]
            assert one[i] == "(" and value(one[i : len(one) - tail]) == (two[i] == "T")
    answers = Counter(e.answer for e in examples)
    assert min(answers.values()) > 300


@pytest.mark.parametrize("name", NAMES)
def test_generated_splits_have_the_counts_asked_for_and_no_prompt_twice(name):
    spec = DataSpec(source=name, rows=300, validation_rows=20, test_rows=40)
    data = load_examples(spec)
    assert [len(data.train), len(data.validation), len(data.test)] == [300, 20, 40]
    keys = [e.key for e in data.train + data.validation + data.test]
    assert len(set(keys)) == len(keys)
    for split in ("train", "validation", "test"):
        assert {split_of(e.key, 0.05, 0.1) for e in getattr(data, split)} == {split}
    assert all(data.verify(e.completion, e.answer) for e in data.test)


def test_more_rows_keep_the_rows_there_were_and_the_seed_decides():
    few = DataSpec(source="chain_arithmetic", rows=50, validation_rows=5, test_rows=10)
    more = load_examples(few.model_copy(update={"rows": 80, "test_rows": 30}))
    other = load_examples(few.model_copy(update={"seed": 1}))
    data = load_examples(few)
    again = load_examples(few)
    assert (again.train, again.validation, again.test) == (data.train, data.validation, data.test)
    assert more.train[:50] == data.train and more.test[:10] == data.test
    assert more.validation == data.validation
    assert other.train != data.train


def test_labels_can_be_scarce():
    data = load_examples(
        DataSpec(source="chain_arithmetic", rows=60, validation_rows=0, test_rows=0, labelled=20)
    )
    hidden = [e for e in data.train if e.completion is None]
    assert len(hidden) == data.notes["hidden_completions"] == 40
    assert all(data.verify(e.hidden, e.answer) for e in hidden)
    assert data.validation == data.test == []


def test_a_task_with_too_few_prompts_says_so():
    with pytest.raises(RequestError, match="distinct prompts") as caught:
        load_examples(DataSpec(source="boolean_logic", options={"operators": [1, 1]}))
    assert "of 2000 train" in caught.value.what


@pytest.mark.parametrize(
    ("options", "where", "text"),
    [
        ({"term": [3, 5]}, "data.options.term", "did you mean 'terms'?"),
        ({"terms": [5, 3]}, "data.options", "at least 2"),
        ({"terms": [1, 3]}, "data.options", "at least 2"),
        ({"terms": 3}, "data.options.terms", "tuple"),
        ({"terms": ["a", 3]}, "data.options.terms.0", "integer"),
    ],
)
def test_options_that_cannot_be_meant(options, where, text):
    with pytest.raises(RequestError) as caught:
        load_examples(DataSpec(source="chain_arithmetic", options=options))
    assert caught.value.where == where
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("boolean_logic", {"operators": [1, 51]}),
        ("list_sorting", {"largest": 0}),
        ("long_addition", {"digits": [0, 2]}),
    ],
)
def test_options_out_of_range(name, options):
    with pytest.raises(RequestError):
        build(TASKS[name], name, options)
