import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data import VERIFIERS, after_marker, exact, last_number


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


numerals = st.text(alphabet="0123456789.,$%-# e\n")


@given(st.sampled_from(sorted(VERIFIERS)), st.text() | numerals, st.text() | numerals)
def test_no_text_makes_a_verifier_raise(name, completion, answer):
    assert VERIFIERS[name](completion, answer) in (True, False)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_number_is_itself_in_any_dress(value):
    plain = f"{value:f}"
    assert last_number(f"the answer is ${value:,}.", plain)
    assert after_marker(f"#### {value:,}", plain)
