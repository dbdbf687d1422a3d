"""Numbers as readers see them."""

import pytest

from limbeck.reports import words


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.percent(0.8982), "89.8%"),
        (words.percent(None), words.DASH),
        (words.percent(float("nan")), words.DASH),
        (words.signed(-0.004, 1), "0.0"),
        (words.signed(-1.25, 2), f"{words.MINUS}1.25"),
        (words.signed(1.2, 1), "+1.2"),
        (words.count(1234567), "1,234,567"),
        (words.decimal(1234.5678), "1,234.6"),
        (words.p_value(3e-9), "p < 0.001"),
        (words.p_value(0.0421), "p = 0.042"),
        (words.p_value(1.0), "p = 1.00"),
        (words.p_value(None), "not tested"),
        (words.parameters(2_362_624), "2.36 M"),
        (words.parameters(7_615_616_512), "7.62 B"),
        (words.parameters(0), "0"),
        (words.memory(1_288_490_189), "1.20 GiB"),
        (words.memory(512), "512 B"),
        (words.duration(6.24), "6.2 s"),
        (words.duration(59.7), "1 min 00 s"),
        (words.duration(276), "4 min 36 s"),
        (words.duration(3725), "1 h 02 min"),
        (words.span(0.85, 0.91, words.percent), "85.0 to 91.0%"),
        (words.span(None, 0.91, words.percent), words.DASH),
    ],
)
def test_words(shown: str, expected: str):
    assert shown == expected
