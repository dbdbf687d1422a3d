"""Programs and tests in two interpreters: what crosses, what is told, what is refused."""

import dataclasses
import os

import psutil
import pytest

from limbeck.errors import LimbeckError, RequestError
from limbeck.evaluation.sandbox import Limits, guests, isolation, run_many, run_python, ways
from limbeck.evaluation.sandbox import run as running
from limbeck.evaluation.sandbox.guest.wire import Ref, decode, encode

try:
    isolation()
except RequestError as reason:
    apart = pytest.mark.skip(reason=str(reason))
else:
    apart = pytest.mark.filterwarnings("default")

VALUES = """
import collections, datetime, decimal, fractions, math
VALUES = [
    None, True, False, 0, -1, 2**52, 2**53, 2**60, -(2**4000), 3**20000, 0.1, -0.0, math.inf,
    1 + 2j, "", "é\\u2028\\ud800", b"\\x00\\xff", bytearray(b"a"), [], [1, [2, (3,)]], (), (1,), {1, 2},
    frozenset({(1, 2)}), {}, {"a": [1], 2: {}, (1, 2): None}, {"ref": 1}, range(3, 9, 2),
    collections.deque([1, 2]), decimal.Decimal("1.10"), fractions.Fraction(1, 3),
    datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3), int, str,
    collections.Counter("abca"), collections.OrderedDict(a=1), collections.namedtuple("P", "x y")(1, 2),
]
"""
space: dict = {}
exec(VALUES, space)


def unknown(value):
    raise AssertionError(f"{value!r} is not copied")


@pytest.mark.parametrize("value", space["VALUES"], ids=lambda v: type(v).__name__)
def test_a_copy_equals_what_was_sent(value):
    back = decode(encode(value, unknown), unknown)
    assert back == value
    assert type(back) is type(value) or issubclass(type(value), type(back))
    if value == 0:
        assert str(back) == str(value)  # -0.0


def test_what_has_no_copy_is_named():
    assert decode(encode([len], lambda _: Ref(3)), lambda ref: ref) == [Ref(3)]


@apart
def test_values_objects_and_errors_cross():
    program = (
        VALUES
        + """
class Node:
    def __init__(self, value, left=None):
        self.value, self.left = value, left
    def __eq__(self, other):
        return self.value == other.value
    def __len__(self):
        return 7
    def __getitem__(self, key):
        return key
    def __contains__(self, item):
        return item == 1
def echo(*args, **kwargs):
    return [*args, kwargs]
def depth(node):
    return 1 + depth(node.left) if node else 0
def counted(n):
    yield from range(n)
def bad(kind):
    raise {"value": ValueError("why"), "own": type("Own", (Exception,), {})(1)}[kind]
"""
    )
    tests = (
        VALUES
        + """
for value in VALUES:
    assert echo(value, k=value) == [value, {"k": value}], value
root = Node(1)
root.left = Node(2, Node(3))
assert root.left.value == 2 and root == Node(1) and root != Node(4) and root != 1
assert len(root) == 7 and root["a"] == "a" and 1 in root and 2 not in root
assert str(root).startswith("<__main__.Node") and repr(root) == str(root)
assert len({root, root}) == 1
assert list(counted(3)) == [0, 1, 2] and sum(counted(4)) == 6
try:
    bad("value")
except ValueError as error:
    assert str(error) == "why"
else:
    assert False
try:
    bad("own")
except Exception as error:
    assert "Own" in str(error)
try:
    echo(lambda: 1)
except TypeError as error:
    assert "cannot be copied" in str(error)
try:
    root.nothing
except AttributeError:
    print("done")
"""
    )
    outcome = run_python(program, tests, names=["Node", "echo", "counted", "bad"])
    assert outcome.passed, outcome
    assert outcome.stdout == "done\n"
    assert 0 < outcome.seconds < 30


@apart
def test_the_program_is_the_main_module_and_prints():
    program = "import sys\nif __name__ == '__main__':\n    x = 1\nprint('out')\nprint('err', file=sys.stderr)"
    outcome = run_python(program, "assert x == 1", names=["x"])
    assert (outcome.status, outcome.stdout) == ("passed", "out\n")
    assert outcome.stderr == "err\n"


@apart
@pytest.mark.parametrize(
    "program", ["def f(:", "import no_such_module", "raise SystemExit", "f = "]
)
def test_a_program_that_does_not_load_fails(program):
    assert run_python(program).status == "failed"
    assert run_python("x = 1", "assert f(1)", names=["f"]).status == "failed"


@apart
def test_many_keep_their_order_and_leave_nothing():
    before = psutil.Process().num_fds()
    jobs = [lambda n=n: run_python(f"x = {n}", "print(x)", names=["x"]) for n in range(6)]
    outcomes = run_many(jobs, workers=3)
    assert [o.stdout for o in outcomes] == [f"{n}\n" for n in range(6)]
    assert psutil.Process().num_fds() == before


def test_one_that_cannot_be_run_ends_the_rest_unbegun():
    begun = []

    def job(n):
        begun.append(n)
        if n == 1:
            raise LimbeckError("broken")

    with pytest.raises(LimbeckError, match="broken"):
        run_many([lambda n=n: job(n) for n in range(1, 1000)], workers=1)
    assert len(begun) < 999


def test_a_machine_without_a_sandbox_refuses(monkeypatch):
    """Falling back in silence would run a stranger's program on the user's files."""
    monkeypatch.setattr(ways, "_refused", lambda way: "not here")
    with pytest.raises(RequestError) as refusal:
        run_python("x = 1")
    assert "bubblewrap: not here; namespaces: not here" in refusal.value.where
    assert "unsafe=True" in refusal.value.mend
    assert isolation(unsafe=True) == "none"


def test_a_sandbox_that_fails_later_is_no_verdict(monkeypatch):
    """A full disk would count as a wrong answer of the student."""
    monkeypatch.setattr(running, "isolation", lambda unsafe: "namespaces")
    monkeypatch.setattr(guests, "shown", lambda: ["/no/such/path"])
    with pytest.raises(LimbeckError, match="could not be set up"):
        run_python("x = 1")


@pytest.mark.parametrize("which", [0, 1])
def test_a_sandbox_that_never_starts_is_no_verdict(monkeypatch, which):
    """A machine out of namespaces would count as wrong answers of the student."""
    made = []

    def command(way, scratch):
        made.append(way)
        broken = ["/bin/sh", "-c", "echo no space left >&2; exit 1"]
        return broken if len(made) == which + 1 else started(way, scratch)

    started = guests.command
    monkeypatch.setattr(running, "isolation", lambda unsafe: "none")
    monkeypatch.setattr(guests, "command", command)
    with pytest.raises(LimbeckError, match="could not be set up") as failure:
        run_python("x = 1", "assert x == 1", names=["x"])
    assert "no space left" in failure.value.where


def test_unsafe_still_limits_and_still_judges_from_outside(monkeypatch):
    monkeypatch.setattr(ways, "_refused", lambda way: "not here")
    limits = Limits(cpu=1, wall=10, memory=2**28, output=2**16)
    told = {"tests": "assert f(2) == 4", "names": ["f"], "limits": limits, "unsafe": True}
    assert run_python("def f(x):\n    return 2 * x", **told).passed
    for program, status in [
        ("import os\nos._exit(0)", "failed"),
        ("def f(x):\n    return 5", "failed"),
        ("while True: pass", "timeout"),
        ("x = bytearray(2**30)", "memory"),
        ("while True: print('x' * 1000)", "output"),
    ]:
        assert run_python(program, **told).status == status, program
    mark = f"limbeck-unsafe-{os.getpid()}"
    daemon = f"""
import os, subprocess, sys
command = [sys.executable, "-S", "-c", "import time; time.sleep(77)", {mark!r}]
subprocess.Popen(command, start_new_session=True)
"""
    assert run_python(daemon + "def f(x):\n    return 2 * x", **told).passed
    lines = (p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"]))
    assert not [line for line in lines if mark in line]


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Limits)])
def test_a_limit_of_nothing_is_refused(field):
    with pytest.raises(ValueError, match="above zero"):
        Limits(**{field: 0})


def test_limits_are_whole_but_for_wall_time():
    with pytest.raises(ValueError, match="whole number"):
        Limits(cpu=1.5)
    assert Limits(wall=0.5).wall == 0.5
