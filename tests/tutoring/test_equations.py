"""Equations of worked solutions: equal ones are equal texts."""

import pytest

from limbeck.tutoring.equations import steps_of


@pytest.mark.parametrize(
    ("text", "equations", "operators"),
    [
        ("48/2 = <<48/2=24>>24 clips, then 48+24 = <<48+24=72>>72.", ("48/2=24", "24+48=72"), "/+"),
        ("$2 x 3 = $6.00.", ("2*3=6",), "*"),
        ("3 × 2 eggs = 6", ("2*3=6",), "*"),  # noqa: RUF001
        ("16 - 3 - 4 = 9 eggs. 9*2=$18 a day", ("16-3-4=9", "2*9=18"), "--*"),
        ("20% of 50 = 10", ("20%*50=10",), "*"),
        ("Only notes: <<7+1=8>>", ("1+7=8",), "+"),
        ("2+2=4. Again 2 + 2 = 4.", ("2+2=4",), "++"),
        ("x = 5, so the answer is 5", (), ""),
        ("No sums at all.", (), ""),
        ("", (), ""),
    ],
)
def test_what_a_text_calculates(text, equations, operators):
    found = steps_of(text)
    assert found.equations == equations and found.operators == tuple(operators)


def test_terms_that_are_only_added_or_multiplied_have_no_order():
    assert steps_of("5 + 3 + 2 = 10").equations == steps_of("2 + 5 + 3 = 10").equations
    assert steps_of("5 - 3 = 2").equations != steps_of("3 - 5 = 2").equations
    assert steps_of("2 * (3 + 4) = 14").equations != steps_of("(3 + 4) * 2 = 14").equations


def test_hostile_text_is_read_in_no_time():
    assert steps_of("1+" * 20_000 + "1=" * 20_000).operators is not None
