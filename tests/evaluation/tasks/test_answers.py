import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.evaluation.tasks import EXTRACTORS, SCORERS
from limbeck.evaluation.tasks.answers import first_of, number_within
from limbeck.evaluation.tasks.entities import exact_f1, partial_f1, partial_f1_official
from limbeck.evaluation.tasks.vqa import plain_answer, vqa_accuracy


@pytest.mark.parametrize(
    ("name", "completion", "found"),
    [
        ("marked_or_boxed", "so\n#### 1,234\nmore\n#### 5", "1234"),
        ("marked_or_boxed", "#### -5.50 apples", "-5.50"),
        ("marked_or_boxed", r"so \boxed{\$1,\!200}", "1200"),
        ("marked_or_boxed", "####18", None),
        ("marked_or_boxed", "18", None),
        ("first_letter", "答えはBです。Aではない", "B"),
        ("first_letter", "I do not know", None),
        ("first_letter", "The answer: C", "C"),
        ("yes_no_maybe", "Maybe. Yes", "maybe"),
        ("yes_no_maybe", "nothing is known", None),
        ("box", r"\boxed{1} or \fbox{\frac{1}{2}}", r"\frac{1}{2}"),
        ("box", r"so \boxed 5.", "5."),
        ("box", r"\boxed{1", None),
        ("list", "['発熱', '喀痰']\n", ["発熱", "喀痰"]),
        ("list", '["a\'b", 3, None,]', ["a'b", "3", "None"]),
        ("list", r"['a\nb', '\x']", ["a\nb", r"\x"]),
        ("list", "[]", []),
        ("list", "the list is ['a']", None),
        ("list", "'a'", None),
        ("list", "[['a']]", None),
        ("list", "[__import__('os')]", None),
    ],
)
def test_what_answer_is_read(name, completion, found):
    assert EXTRACTORS[name](completion) == found


def test_the_first_label_that_is_a_word():
    read = first_of(("positive", "negative", "not positive"))
    assert read("It is Not positive, so negative.") == "not positive"
    assert read("positively") is None
    assert first_of(("C++", "C"))("I use C++.") == "C++"


@pytest.mark.parametrize(
    ("found", "gold", "right"),
    [
        ("72", "72.0", 1),
        ("$1,000", "1000", 1),
        ("0.333", "0.3333", 0),
        ("0.3333333", "0.33333331", 1),
        ("72", 72.0, 1),
        ("x", "72", 0),
        ("72", "x", 0),
        ("9" * 50_000, "1", 0),
    ],
)
def test_numbers(found, gold, right):
    assert SCORERS["number"](found, gold) == right


def test_the_tolerance_is_the_largest_difference():
    within = number_within("1e-3")
    assert within("0.333", "0.3333") == 1
    assert within("1.001", "1") == 1
    assert within("1.0010000000000000000000000000000001", "1") == 0


@pytest.mark.parametrize(
    ("gold", "found", "exact", "official", "sound"),
    [
        ("abcde", ["a"], 1 / 3, 5 / 3, 1 / 3),
        (["気管支喘息", "発熱"], ["喘息"], 0, 0, 2 / 3),
        ("ab", ["a", "b"], 1, 1, 1),
        ("ab", [], 0, 0, 0),
        ("ab", ["", "a"], 0.5, 1, 0.5),
        ("ab", ["a", "a"], 2 / 3, 4 / 3, 2 / 3),
        ([], [], 1, 1, 1),
    ],
)
def test_entities(gold, found, exact, official, sound):
    gold = tuple(gold)
    assert exact_f1(found, gold) == pytest.approx(exact)
    assert partial_f1_official(found, gold) == pytest.approx(official)
    assert partial_f1(found, gold) == pytest.approx(sound)


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_sound_f1s_are_shares_and_symmetric(found, gold):
    for score in (exact_f1, partial_f1):
        assert 0 <= score(found, gold) <= 1
        assert score(found, gold) == pytest.approx(score(gold, found))


@pytest.mark.parametrize(
    ("agreeing", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_vqa_by_its_closed_form(agreeing, accuracy):
    people = ["red"] * agreeing + [f"colour {i}" for i in range(10 - agreeing)]
    assert vqa_accuracy("red", people) == pytest.approx(accuracy)


def test_vqa_by_leaving_one_out():
    """The definition itself, over every number of people."""
    for size in range(1, 12):
        for agreeing in range(size + 1):
            people = ["red"] * agreeing + [f"colour {i}" for i in range(size - agreeing)]
            rest = [people[:j] + people[j + 1 :] for j in range(size)]
            wanted = sum(min(1, others.count("red") / 3) for others in rest) / size
            assert vqa_accuracy("red", people) == pytest.approx(wanted)


def test_vqa_tidies_answers_only_where_people_differ():
    assert vqa_accuracy("Two!", ["2"] * 9 + ["three"]) == 1
    assert vqa_accuracy("Two!", ["2"] * 10) == 0
    assert vqa_accuracy("2", ["2"] * 10) == 1
    assert vqa_accuracy("2", []) == 0


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The  Dog's", "dog's"),
        ("dont", "don't"),
        ("1,000 men", "1000 men"),
        ("black-white", "black white"),
        ("black - white", "black white"),
        ("3.5 m.", "3.5 m"),
        ("None", "0"),
        ("a/b\nc", "b c"),
    ],
)
def test_plain_answers(answer, plain):
    assert plain_answer(answer) == plain


hostile = st.text(alphabet="0123456789.,#$ ABab\\boxed{}['\"]\n") | st.text()


@given(hostile, hostile)
def test_no_text_makes_a_reader_or_a_scorer_raise(completion, gold):
    for extract in EXTRACTORS.values():
        extract(completion)
    for name, score in SCORERS.items():
        wanted = (
            [gold] if name in ("exact_f1", "partial_f1", "partial_f1_official", "vqa") else gold
        )
        found = [completion] if "f1" in name else completion
        if name != "maths_symbolic":  # test_maths.py
            assert score(found, wanted) >= 0


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "['a', " * 20_000,
        "[" + " " * 50_000 + "x",
        "['a" * 20_000,
        "\\boxed{" * 20_000,
        "-" * 50_000,
        "#### " * 20_000,
    ],
)
def test_long_nonsense_is_read_in_no_time(text):
    for extract in EXTRACTORS.values():
        extract(text)
