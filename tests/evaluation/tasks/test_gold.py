"""Right answers that are none are refused: every answer of every model would be wrong."""

import pytest

from limbeck.errors import RequestError
from limbeck.evaluation.tasks import TASKS, load_task

ABC = {"question": "?", "options": {"A": "x", "B": "y", "C": None}}
PUBMED = {"pmid": 1, "question": "Is it?", "contexts": ["One.", "Two."], "final_decision": "yes"}


@pytest.mark.parametrize(
    ("name", "row", "what"),
    [
        ("gsm8k", {"question": "?", "answer": "It is some."}, "'It is some.' is no number"),
        ("svamp", {"Body": "b", "Question": "?", "Answer": "x"}, "'x' is no number"),
        ("addsub", {"question": "?", "answer": "two"}, "'two' is no number"),
        ("math500", {"problem": "?", "solution": "So 5."}, "no box"),
        ("aqua", {"question": "?", "options": ["A)1", "B)2"], "correct": "E"}, "none of A, B"),
        ("pubmedqa", {**PUBMED, "final_decision": "perhaps"}, "none of yes, no, maybe"),
        ("crade", {**ABC, "answer": "C"}, "'C' is none of A, B"),
        ("crade", {**ABC, "answer": "A", "options": "A: x"}, "no mapping"),
        ("nrner", {"question": "?", "answer": "a, b"}, "no list"),
        ("winogrande", {"sentence": "a _", "option1": "1", "option2": "2", "answer": "3"}, "none"),
        ("piqa", {"goal": "?", "sol1": "a", "sol2": "b", "label": -1}, "none of the options"),
    ],
)
def test_a_gold_answer_that_is_none(name, row, what):
    with pytest.raises(RequestError, match=what):
        TASKS[name].items([row])


def test_a_gold_answer_in_another_form():
    """A list written out was taken letter by letter, and so was a passage."""
    entities = TASKS["nrner"].items([{"question": "?", "answer": "['熱', '咳']"}])[0]
    assert entities.gold == ("熱", "咳")
    item = TASKS["pubmedqa"].items([{**PUBMED, "contexts": "One.", "final_decision": "Yes"}])[0]
    assert (item.context, item.gold) == ("One.", "yes")


@pytest.mark.parametrize(("label", "gold"), [(0, 0), (1, 1)])
def test_the_number_of_an_option_is_not_its_text(label, gold):
    row = {"goal": "?", "sol1": "1", "sol2": "0", "label": label}
    assert TASKS["piqa"].items([row])[0].gold == gold
    sentence = {"sentence": "a _ b", "option1": "2", "option2": "1", "answer": str(label + 1)}
    assert TASKS["winogrande"].items([sentence])[0].gold == gold


def test_a_letter_after_an_empty_line_is_the_first_letter():
    """The data set's own code reads the whole output, and so do models that converse write it."""
    task = TASKS["crade"]
    item = task.items([{**ABC, "answer": "B"}])[0]
    assert task.score(item, "答え:\n\nB です。").correct


@pytest.mark.parametrize("options", ["one, two", {"text": ["one", "two"]}])
def test_a_column_that_is_no_list_of_options(tmp_path, options):
    file = tmp_path / "mine.yaml"
    file.write_text("prompt: '{q}'\nanswer: gold\nchoices: options\n")
    with pytest.raises(RequestError, match="no list of options"):
        load_task(file).items([{"q": "?", "options": options, "gold": "²"}])
    with pytest.raises(RequestError, match="none of the choices"):
        load_task(file).items([{"q": "?", "options": ["a", "b", "c"], "gold": "²"}])
