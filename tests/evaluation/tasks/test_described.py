import pytest

from limbeck.errors import RequestError
from limbeck.evaluation.tasks import load_task


@pytest.fixture
def described(tmp_path):
    def write(text):
        path = tmp_path / "capitals.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_few_lines_make_a_task(described, tmp_path):
    task = load_task(
        described('prompt: "Q: {country}?\\nA:"\nanswer: capital\nscore: ignore_case\n')
    )
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        '{"country": "Peru", "capital": "Lima"}\n{"country": "Mali", "capital": "Bamako"}\n'
    )
    items = task.items(task.load(rows))
    assert items[0].prompt == "Q: Peru?\nA:" and task.name == "capitals"
    scored = [task.score(items[0], " lima\n"), task.score(items[1], "Lima")]
    assert task.metrics(scored)["accuracy"].value == 0.5


def test_everything_that_can_be_said(described, tmp_path):
    (tmp_path / "own.py").write_text(
        "def second(text):\n    words = text.split()\n    return words[1] if len(words) > 1 else None\n"
        "def close(found, gold):\n    return 1 - abs(float(found) - float(gold)) / 10\n"
    )
    task = load_task(
        described(
            "name: guesses\nprompt: '{text}\\n{q}'\nchat: 'Say {q}'\nsystem: Guess.\nanswer: a\n"
            "answer_extract: last_number\nextract: own.py:second\nscore: own.py:close\nid: no\n"
            "document: text\ncontext: text\nstop: ['!']\nmax_new_tokens: 9\n"
            "hub: {source: me/guesses, split: dev}\n"
        )
    )
    (item,) = task.items([{"no": 5, "text": "long", "q": "how many", "a": "It is 7."}])
    assert (item.id, item.document, item.gold, item.context) == ("5", "long", "7", "long")
    assert [m.content for m in item.messages] == ["Guess.", "Say how many"]
    assert task.hub.source == "me/guesses" and task.max_new_tokens == 9
    assert task.score(item, "about 5 ! 9").grades == {"close": 0.8}
    assert not task.score(item, "about 5").correct and task.score(item, "about 7").correct
    assert task.score(item, "about").invalid


@pytest.mark.parametrize(
    ("choices", "row"),
    [
        ("[red, blue]", {"gold": "blue"}),
        ("[red, blue]", {"gold": "B"}),
        ("options", {"gold": 1, "options": ["red", "blue"]}),
        ("[x, y]", {"gold": "1", "x": "red", "y": "blue"}),
    ],
)
def test_choices(described, choices, row):
    task = load_task(
        described(f"prompt: '{{q}}'\nanswer: gold\nchoices: {choices}\nnormalise: tokens\n")
    )
    (item,) = task.items([{"q": "Sky?", **row}])
    assert item.pairs == (("Sky?", " red"), ("Sky?", " blue")) and item.gold == 1
    assert task.score(item, [[-3.0], [-2.0, -2.0]]).correct
    lettered = task.letters()
    (item,) = lettered.items([{"q": "Sky?", **row}])
    assert item.prompt == "Sky?\nA. red\nB. blue\nAnswer:" and item.gold == "B"
    assert lettered.score(item, "B").correct and lettered.score(item, "C").invalid


def test_yes_and_no_are_words(described):
    task = load_task(described("prompt: '{q}'\nanswer: no\nlabels: [yes, no]\n"))
    (item,) = task.items([{"q": "?", "no": "yes"}])
    assert task.labels == ("yes", "no") and task.score(item, "Yes.").correct


def test_labels_and_figures_over_them(described):
    task = load_task(
        described("prompt: '{t}'\nanswer: y\nlabels: [good, bad]\nmetrics: [macro_f1, kappa]\n")
    )
    items = task.items([{"t": "a", "y": "good"}, {"t": "b", "y": "bad"}, {"t": "c", "y": "bad"}])
    outputs = ["Good!", "It is bad.", "no idea"]
    found = task.metrics([task.score(i, o) for i, o in zip(items, outputs, strict=True)])
    assert found["macro_f1"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["invalid_rate"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        ("prompt: a\nanswer: b\nextrct: box\n", "unknown key 'extrct'", "did you mean extract?"),
        ("answer: b\n", "'prompt' is missing", ""),
        ("prompt: a\nanswer: b\nextract: boxd\n", "no 'boxd'", "did you mean 'boxed'?"),
        ("prompt: a\nanswer: b\nscore: numbers\n", "no 'numbers'", "did you mean 'number'?"),
        ("prompt: a\nanswer: b\nlabels: [x]\nmetrics: [kapa]\n", "no 'kapa'", "'kappa'"),
        ("prompt: a\nanswer: b\nmetrics: [kappa]\n", "need labels", ""),
        ("prompt: a\nanswer: b\nnormalise: bytes\n", "normalise needs choices", ""),
        ("prompt: a\nanswer: b\nchoices: [x, y]\nscore: exact\n", "leave out score", ""),
        ("prompt: a\nanswer: b\nlabels: [x]\nextract: box\n", "leave out extract", ""),
        ("prompt: a\nanswer: b\nmax_new_tokens: 0\n", "greater than or equal to 1", ""),
        ("prompt: 'a {b'\nanswer: b\n", "not a template", "twice"),
        ("prompt: a\nanswer: b\nscore: no.py:f\n", "no such file", ""),
        ("prompt: [", "not YAML", ""),
        ("- a\n", "no keys", ""),
        ("prompt: a\nprompt: b\nanswer: c\n", "stands twice", ""),
    ],
)
def test_what_is_wrong_is_named(described, text, what, mend):
    with pytest.raises(RequestError, match=what) as caught:
        load_task(described(text))
    assert mend in caught.value.mend
    assert ("no.py" if "no.py" in text else "capitals.yaml") in caught.value.where


def test_rows_that_do_not_fit(described):
    task = load_task(described("prompt: '{q}'\nanswer: gold\nchoices: [x, y]\n"))
    with pytest.raises(RequestError, match="none of the choices"):
        task.items([{"q": "?", "gold": "z"}])
    with pytest.raises(RequestError, match="reads 'q'"):
        task.items([{"p": "?", "gold": "x"}])
    task = load_task(described("prompt: '{q}'\nanswer: gold\nanswer_extract: last_number\n"))
    with pytest.raises(RequestError, match="no answer can be read"):
        task.items([{"q": "?", "gold": "none"}])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RequestError, match="cannot be read"):
        load_task(tmp_path / "none.yaml")
