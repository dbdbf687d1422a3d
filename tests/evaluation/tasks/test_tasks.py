import math
from dataclasses import replace

import pytest

from evaluation.tasks.rows import HUB_ROWS
from limbeck.data import Message
from limbeck.errors import RequestError
from limbeck.evaluation.tasks import TASKS, Question, Rule, Task, load_task

ROWS = [
    {"question": "1+1?", "answer": "It is <<1+1=2>>2.\n#### 2"},
    {"question": "500+500?", "answer": "#### 1,000"},
]
ARC = {"question": "What melts?", "choices": ["ice", "a big fire"], "answer": 0}


@pytest.mark.parametrize("name", sorted(HUB_ROWS))
def test_rows_as_the_hub_has_them(name):
    task = TASKS[name]
    (item,) = task.items([HUB_ROWS[name]])
    assert item.prompt and item.document
    if task.kind == "choices":
        gold = item.choices[item.gold]
        assert gold in ("ice", "cold", "B", "yes", "add ice", "melts.")
        assert all(before and after.startswith(" ") for before, after in item.pairs)
    else:
        assert item.gold in ("2", "yes")


def test_what_is_scored_of_a_blank_follows_it():
    (item,) = TASKS["winogrande"].items([HUB_ROWS["winogrande"]])
    start = "The ice beat the fire because the "
    assert item.pairs == ((f"{start}ice", " was cold."), (f"{start}fire", " was cold."))
    assert item.id == "X-1" and item.document == "fire / ice"


def test_headings_leave_hellaswag():
    (item,) = TASKS["hellaswag"].items([HUB_ROWS["hellaswag"]])
    assert item.prompt == "Ice melting: Ice lies in the sun. It"


def test_strict_and_flexible():
    task = TASKS["gsm8k"]
    item = task.items(ROWS)[1]
    for output, flexible, strict in [
        ("#### 1,000", 1, 1),
        ("#### 1000.00", 1, 0),
        ("so $1,000.", 1, 0),
        (r"\boxed{1,000}", 1, 1),
        ("#### 1000 or 7", 0, 1),
        ("none", 0, 0),
        ("#### 1000\n\nQuestion: 2+2?\nAnswer: #### 4", 1, 1),
    ]:
        assert task.score(item, output).grades == {"flexible": flexible, "strict": strict}, output
    assert task.score(item, "none").invalid and task.score(item, "").invalid


def test_normalisations_choose_differently():
    (item,) = TASKS["arc_easy"].items([ARC])
    short, long = [-2.0], [-1.5, -1.5]
    expected = {"none": 0, "characters": 1, "bytes": 1, "tokens": 1}
    for normalise, chosen in expected.items():
        task = replace(TASKS["arc_easy"], normalise=normalise)
        scored = task.score(item, [short, long])
        assert scored.extracted == chosen
        assert scored.grades[f"by_{normalise}"] == (chosen == 0)
        assert scored.grades["by_none"] == 1


def test_no_number_is_no_choice():
    task = TASKS["arc_easy"]
    (item,) = task.items([ARC])
    for output in ([[math.nan], [-1.0]], [[-1.0], [math.nan]], [[-math.inf], [-math.inf]]):
        scored = task.score(item, output)
        assert scored.invalid and not scored.correct and scored.extracted is None
    assert task.score(item, [[-1.0], [-math.inf]]).correct
    assert task.score(item, [[-1.0 * 3], [-1.0 * 10]]).extracted == 0  # a tie: the first one


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ([[-1.0]], "2 choices, and 1"),
        ([[-1.0], []], "choice 1 .* without a token"),
        ("A", "not a text"),
    ],
)
def test_output_of_another_item_or_kind(output, what):
    (item,) = TASKS["arc_easy"].items([ARC])
    with pytest.raises(ValueError, match=what):
        TASKS["arc_easy"].score(item, output)
    with pytest.raises(ValueError, match="scores a text"):
        TASKS["gsm8k"].score(TASKS["gsm8k"].items(ROWS)[0], [[-1.0]])


def test_figures_of_an_evaluation():
    task = TASKS["gsm8k"]
    items = task.items(ROWS)
    scored = [task.score(items[0], "#### 2"), task.score(items[1], "", truncated=True)]
    found = task.metrics(scored)
    assert {name: figure.value for name, figure in found.items()} == {
        "accuracy": 0.5,
        "invalid_rate": 0.5,
        "truncation_rate": 0.5,
        "context_cut_rate": 0.0,
        "flexible": 0.5,
        "strict": 0.5,
    }
    assert all(figure.n == 2 and figure.low < figure.high for figure in found.values())
    with pytest.raises(ValueError, match="nothing was scored"):
        task.metrics([])
    with pytest.raises(ValueError, match="twice"):
        task.metrics([scored[0], scored[0]])


def test_intervals_resample_documents():
    task = TASKS["social_iqa"]
    row = HUB_ROWS["social_iqa"]
    alone = [{**row, "context": f"{i}"} for i in range(40)]
    shared = [{**row, "context": f"{i // 10}", "question": f"{i}"} for i in range(40)]

    def accuracy(rows):
        outputs = [[[float(i // 10 % 2)], [0.5], [0.2]] for i in range(40)]
        items = task.items(rows)
        return task.metrics([task.score(i, o) for i, o in zip(items, outputs, strict=True)])[
            "accuracy"
        ]

    apart, together = accuracy(alone), accuracy(shared)
    assert apart.value == together.value == 0.5
    assert together.clusters == 4 and together.high - together.low > apart.high - apart.low


def test_invalid_answers_are_a_category_of_kappa():
    """Against the definition, by hand: three gold labels, one answer that is none."""
    task = TASKS["crade"]
    options = {letter: letter.lower() for letter in "ABCD"}
    rows = [{"question": f"{i}", "options": options, "answer": a} for i, a in enumerate("AABD")]
    outputs = ["A", "B", "B", "?"]
    items = task.items(rows)
    found = task.metrics([task.score(i, o) for i, o in zip(items, outputs, strict=True)])
    # po = 2/4; pe = (2*1 + 1*2 + 0 + 1*0) / 16
    assert found["kappa"].value == pytest.approx((1 / 2 - 1 / 4) / (1 - 1 / 4))
    # |i-j| observed 0+1+0+1; expected, with None fifth: sums over gold A,A,B,D x A,B,B,None
    expected = sum(abs(g - a) for g in (0, 0, 1, 3) for a in (0, 1, 1, 4)) / 4
    assert found["linear_kappa"].value == pytest.approx(1 - 2 / expected)


def test_the_context_can_be_cut_and_nothing_else():
    task = TASKS["pubmedqa"]
    shown = task.with_shots([{**HUB_ROWS["pubmedqa"], "question": "Before?"}], n=1)
    (item,) = shown.items([HUB_ROWS["pubmedqa"]])
    short = item.cut(7)
    assert short.context == "We saw" and short.context_cut
    assert short.prompt.count("It melted.") == 1, "the worked example stays whole"
    assert "Does ice melt?" in short.prompt and short.messages[-1].content.startswith("We saw\n")
    assert short.messages[:-1] == item.messages[:-1]
    assert item.cut(10_000) is item
    assert task.score(short, "yes").context_cut
    with pytest.raises(ValueError, match="no context"):
        TASKS["gsm8k"].items(ROWS)[0].cut(5)


def test_system_message_and_shots_in_a_conversation():
    task = replace(TASKS["gsm8k"], system="Be brief.").with_shots(
        ROWS, ids=[TASKS["gsm8k"].items(ROWS)[1].id]
    )
    (item,) = task.items(ROWS[:1])
    assert item.messages[0] == Message("system", "Be brief.")
    assert item.messages[2] == Message("assistant", "#### 1000")
    assert item.prompt == "Question: 500+500?\nAnswer: #### 1000\n\nQuestion: 1+1?\nAnswer:"


def test_shots_are_refused_where_they_are_wrong():
    task = TASKS["gsm8k"]
    with pytest.raises(RequestError, match="also a worked example"):
        task.with_shots(ROWS, n=1).items(ROWS)
    for wrong in ({"n": 3}, {"n": 0}, {}, {"n": 1, "ids": ["x"]}, {"ids": ["nobody"]}):
        with pytest.raises(RequestError):
            task.with_shots(ROWS, **wrong)


def test_rows_that_repeat_have_ids_of_their_own():
    ids = [item.id for item in TASKS["gsm8k"].items([ROWS[0], ROWS[1], ROWS[0]])]
    assert len(set(ids)) == 3 and ids[2] == f"{ids[0]}-2"
    assert ids[:2] == [item.id for item in TASKS["gsm8k"].items(ROWS[:2])]


@pytest.mark.parametrize(
    ("name", "row", "what"),
    [
        ("gsm8k", {"prompt": "1+1?", "answer": "2"}, "no question"),
        ("arc_easy", {**ARC, "answer": 2}, "none of the options"),
        ("arc_easy", {**ARC, "answer": -1}, "none of the options"),
        ("boolq", {"question": "?", "answer": "perhaps"}, "neither true nor false"),
        ("winogrande", {"question": "no blank", "choices": ["a", "b"], "answer": 0}, "one blank"),
    ],
)
def test_rows_of_another_task(name, row, what):
    with pytest.raises(RequestError, match=what):
        TASKS[name].items([row])


def test_columns_of_another_name():
    task = replace(TASKS["gsm8k"], columns={"question": "problem"})
    assert task.items([{"problem": "1+1?", "answer": "#### 2"}])[0].prompt.startswith(
        "Question: 1+1?"
    )
    with pytest.raises(RequestError, match="no column 'problem'"):
        task.items(ROWS)
    with pytest.raises(RequestError, match="no rows"):
        task.items([])
    with pytest.raises(RequestError, match="nothing says where"):
        TASKS["addsub"].load()


def test_where_rows_of_the_hub_are_asked_for(monkeypatch):
    asked = []

    def read(*place):
        asked.append(place)
        return iter([("row 1", ROWS[0])])

    monkeypatch.setattr("limbeck.evaluation.tasks.sources.read_hub", read)
    assert TASKS["gsm8k"].load() == TASKS["gsm8k"].load(split="train") == ROWS[:1]
    assert asked == [("openai/gsm8k", "main", "test"), ("openai/gsm8k", "main", "train")]


def test_a_task_in_python(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from limbeck.evaluation.tasks import *\n"
        "def read(row):\n    return Question({'question': row['q']}, row['a'], row['a'])\n"
        "def doubled():\n"
        "    rule = Rule('twice', lambda text: text, lambda found, gold: float(found == gold * 2))\n"
        "    return Task('doubled', read, '{question}', rules=(rule,))\n"
        "ready = doubled()\nnumber = 3\n"
        "def nothing():\n    return None\n"
    )
    for name in ("doubled", "ready"):
        task = load_task(f"{file}:{name}")
        (item,) = task.items([{"q": "x", "a": "ab"}])
        assert task.score(item, "abab").correct and not task.score(item, "ab").correct
    for name in ("number", "nothing", "missing"):
        with pytest.raises(RequestError):
            load_task(f"{file}:{name}")
    file.write_text("1/0")
    with pytest.raises(RequestError, match="ZeroDivisionError"):
        load_task(f"{file}:ready")


def test_unknown_names_are_met_with_the_nearest():
    assert load_task("gsm8k") is TASKS["gsm8k"]
    with pytest.raises(RequestError, match="no task 'gsmk8'") as caught:
        load_task("gsmk8")
    assert "did you mean 'gsm8k'?" in caught.value.mend
    with pytest.raises(RequestError, match="no choices"):
        TASKS["gsm8k"].letters()


def test_a_task_that_cannot_work_is_not_made():
    rule = Rule("any", lambda text: text, lambda found, gold: 1.0)

    def read(row):
        return Question({}, "", "")

    for wrong in ({}, {"kind": "choices", "rules": (rule,)}, {"rules": (rule,), "normalise": "x"}):
        with pytest.raises(ValueError):
            Task("wrong", read, "{question}", **wrong)
