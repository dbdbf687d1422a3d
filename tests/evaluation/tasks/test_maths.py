import json
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.evaluation.tasks import symbolic
from limbeck.evaluation.tasks.latex import tree_of
from limbeck.evaluation.tasks.maths import last_box, normal_form, same_answer
from limbeck.evaluation.tasks.symbolic import equivalent, same_or_equivalent


@pytest.mark.parametrize(
    ("found", "gold", "same"),
    [
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})", 1),
        (r"\dfrac12", r"\frac{1}{2}", 1),
        (r"\tfrac1{72}", r"\frac{1}{72}", 1),
        ("1/2", r"\frac12", 1),
        ("0.5", r"\frac{1}{2}", 1),
        (".75", "0.75", 1),
        (r"\sqrt3", r"\sqrt{3}", 1),
        ("x=5", "5", 1),
        ("f(x)=5", "5", 0),
        ("x = y = 5", "5", 0),
        (r"10\text{ cm}", "10", 1),
        (r"\text{Evelyn}", "Evelyn", 0),
        (r"50\%", "50", 1),
        (r"\$18", "18", 1),
        (r"90^\circ", r"90^{\circ}", 1),
        (r"10,\!000", "10,000", 1),
        ("10,000", "10000", 0),
        (r"2\sqrt{3}", r"\sqrt{12}", 0),
        ("0.50", r"\frac{1}{2}", 0),
        (r"\leftarrow", r"\leftarrow", 1),
        ("", "", 1),
    ],
)
def test_the_normal_form(found, gold, same):
    assert same_answer(found, gold) == same == same_answer(gold, found)


@given(st.text(alphabet="0123456789xy+-=/.\\{} frac sqrt left") | st.text())
def test_nothing_makes_the_normal_form_raise(answer):
    assert same_answer(answer, answer) == 1
    normal_form(answer)
    tree = tree_of(answer)
    assert tree is None or json.loads(json.dumps(tree)) == tree


EQUAL = [
    ("10,000", "10000"),
    ("0.50", r"\frac{1}{2}"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt 2}"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"\sin^2 x + \cos^2 x", "1"),
    (r"\log_2 8", "3"),
    ("1, 2", "2,1"),
    (r"\{1,2\}", "1, 2"),
    (r"3 \pm \sqrt2", r"3+\sqrt{2}, 3-\sqrt{2}"),
    (r"x \in [0,1)", r"\left[0,1\right)"),
    (r"(-\infty,0)\cup(1,2]", r"(1,2] \cup (-\infty, 0)"),
    (
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4\end{pmatrix}",
        r"\begin{pmatrix}1&2\\3&\frac{8}{2}\end{pmatrix}",
    ),
    ("y = 4 - 2x", "2x + y = 4"),
    ("x > 3", "3 < x"),
    (r"11\text{ cm}", "11"),
    (r"\sqrt[3]{8}", "2"),
    ("5!", "120"),
    (r"\sqrt{x^2}", "|x|"),
    ("p - q", "-q+p"),
    ("x^12", "2x"),
    ("1+i", "i+1"),
]
UNEQUAL = [
    (r"\frac{\pi}{2}", "1.57"),
    ("(0,1]", "(0,1)"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "1,2"),
    ("p-q", "q-p"),
    ("1,1", "1"),
    ("x>3", "x<3"),
    ("2516_8", "2516"),
    ("y=2x", "y=3x"),
    (r"\infty", "5"),
    ("|x|", "x"),
]


@pytest.mark.parametrize(("found", "gold"), EQUAL)
def test_equal_mathematics(found, gold):
    assert equivalent(found, gold) is True
    assert equivalent(gold, found) is True
    assert same_or_equivalent(found, gold) == 1


@pytest.mark.parametrize(("found", "gold"), UNEQUAL)
def test_unequal_mathematics(found, gold):
    assert equivalent(found, gold) is False
    assert same_or_equivalent(gold, found) == 0


@pytest.mark.parametrize(
    "answer",
    [
        r"\text{Evelyn}",
        "__import__('os').system('true')",
        "(" * 300,
        "-" * 300,
        r"\frac" * 70,
        "{" * 200 + "}" * 200,
        "1 2",
        "x_",
        "^",
        r"\begin{pmatrix} 1 & \end{pmatrix}",
        "7" * 500,
        "",
        "\x00",
        r"\sqrt[",
    ],
)
def test_what_is_no_mathematics_is_refused_at_once(answer):
    assert tree_of(answer) is None
    assert equivalent(answer, "1") is None
    assert same_or_equivalent(answer, "1") == 0


def test_an_answer_that_takes_forever_is_given_up_and_the_next_one_is_answered():
    start = time.monotonic()
    assert equivalent("9^{9^{9^9}}", "1", 1.0) is None
    assert time.monotonic() - start < 60
    assert equivalent("2+2", "4", 60.0) is True


@pytest.mark.parametrize(
    "answer", ["1/0", "0^{-1}", r"\log 0", r"\frac{0}{0}", r"(1,2)+3", r"(-1)!"]
)
def test_an_undefined_answer_is_equal_to_nothing(answer):
    assert equivalent(answer, "1") is False


@given(st.text(alphabet="0123456789xyi+-=/.,()[]|!^_ ", max_size=8))
def test_no_expression_breaks_the_other_process(answer):
    assert equivalent(answer, "1", 2.0) in (True, False, None)


@pytest.mark.parametrize(
    ("found", "gold", "same"),
    [
        (r"1\frac{4}{5}", r"\frac{9}{5}", True),
        (r"1\frac{4}{5}", r"\frac{4}{5}", False),
        (r"-6\frac15", "-6.2", True),
        (r"137 \frac{1}{2}", "137.5", True),
        (r"3\frac{\pi}{2}", r"\frac{3\pi}{2}", True),
        (r"3\frac{5}{2}", "7.5", None),
        ("(1,234)", "1234", False),
        ("(1,234)", "(1, 234)", True),
        ("(1,234 + 1)", "1235", True),
        (r"\{1,234\}", "1, 234", True),
        (r"\sin 2x", r"x \sin 2", None),
        (r"\sin^{-1} x", r"\frac{1}{\sin x}", None),
        (r"\sin^2 x", r"(\sin x)^2", True),
    ],
)
def test_what_people_mean_and_not_what_stands_side_by_side(found, gold, same):
    r"""An answer of 4/5 would have passed for 1 4/5, as a product."""
    assert equivalent(found, gold) is same
    assert equivalent(gold, found) is same


@pytest.mark.parametrize(
    "piece",
    ["|", "(", "{", "[", "-", r"\sqrt", r"\frac1", r"\ln ", r"\ln^", "2^-", "2^", "2_", "|x"],
)
def test_nothing_nests_too_deep_to_be_read(piece):
    """A box of 380 bars ended the evaluation of the whole set."""
    for closing in ("", "2", "2" + piece[-1] * 100):
        tree_of(piece * (300 // len(piece)) + closing)


def test_a_long_answer_takes_no_time_to_refuse():
    started = time.process_time()
    assert tree_of(r"\text{}" + " " * 10**5 + "x") is None
    assert time.process_time() - started < 1


def test_a_box_may_stand_apart_from_its_brace():
    assert last_box(r"so \boxed {5}.") == "5"
    assert last_box(r"so \fbox {5} or \boxed 6.") == "6."
    assert last_box(r"\boxed{" + r"\boxed ") is None


def test_the_worker_ends_by_itself_where_nobody_ends_it():
    """Whoever asked may have been killed while SymPy thought for ever."""
    endless = tree_of(r"9^{9^{9^9}}"), tree_of("5")
    with subprocess.Popen(
        [sys.executable, "-I", str(symbolic._WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"true\n"
        process.stdin.write(json.dumps([*endless, 0.5]).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGALRM
