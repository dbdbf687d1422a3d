import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.tutoring import TAGS, by_rule, read_tag, solution_of


@pytest.mark.parametrize(
    ("text", "correct", "finished", "extracted", "tag"),
    [
        ("2+2=5", False, False, None, "truncated"),
        ("no idea", False, True, None, "format"),
        ("2+2=5#5", False, True, "5", "arithmetic"),
        ("2+2=5;5-1=4#4", True, True, "4", "lucky"),
        ("2+2=4#4", True, True, "4", ""),
        ("2+3=5#5", False, True, "5", None),
    ],
)
def test_rules_come_before_the_teacher(text, correct, finished, extracted, tag):
    """A tag that a rule can tell costs no request."""
    assert by_rule(text, correct=correct, finished=finished, extracted=extracted) == tag
    assert not tag or tag in TAGS


@pytest.mark.parametrize(
    ("reply", "tag"),
    [
        ("misread", "misread"),
        ("  **Wrong method**.", "wrong_method"),
        ("wrong-method", "wrong_method"),
        ("The error is an arithmetic slip, not a missing_step", "arithmetic"),
        ("Missing_Step", "missing_step"),
        ("missing step: 3", "missing_step"),
        ("Arithmetic step", "arithmetic"),
        ("truncated", "unclear"),
        ("lucky", "unclear"),
        ("I cannot tell", "unclear"),
        ("", "unclear"),
    ],
)
def test_replies_of_the_teacher(reply, tag):
    assert read_tag(reply) == tag


@given(st.text())
def test_every_reply_gives_a_tag(reply):
    assert read_tag(reply) in TAGS


def test_tags_stand_in_the_order_of_reports():
    assert list(TAGS) == [
        *("misread", "wrong_method", "arithmetic", "missing_step", "incoherent"),
        *("format", "truncated", "lucky", "unclear"),
    ]


@pytest.mark.parametrize(
    ("text", "solution"),
    [
        (" 1. 2 + 2 = 4\n#### 4 \n", "1. 2 + 2 = 4\n#### 4"),
        ("It slips at 2.\n### Solution\n1. 2\n#### 2", "1. 2\n#### 2"),
        ("notes\n## solution:\nfirst\n### SOLUTION\nsecond", "second"),
        ("notes\n**Solution:**\nworked", "worked"),
        ("notes\nSolution:\nworked", "worked"),
        ("notes\n### Solution\n```\n1+1=2#2\n```\n", "1+1=2#2"),
        ("```text\n1+1=2#2\n```", "1+1=2#2"),
        ("Use ```x``` here", "Use ```x``` here"),
        ("The solution is 4", "The solution is 4"),
        ("The ### Solution is 4", "The ### Solution is 4"),
        ("notes only\n### Solution\n", ""),
    ],
)
def test_a_student_is_not_trained_on_the_diagnosis(text, solution):
    assert solution_of(text) == solution
