"""What the tests of the sandbox share: a program, its tests, and each way to keep it apart."""

import pytest

from limbeck.evaluation.sandbox import Limits, run_python, ways
from limbeck.evaluation.sandbox import run as running

QUICK = Limits(cpu=2, wall=20, memory=2**28, processes=8, output=2**16, scratch=2**22)
TESTS = "assert f(2) == 4"
GOOD = "def f(x):\n    return 2 * x\n"
BAD = "def f(x):\n    return 0\n"


@pytest.fixture(name="way", params=["bubblewrap", "namespaces"], autouse=True)
def every_way(request, monkeypatch):
    refused = ways._refused(request.param)
    if refused:
        pytest.skip(f"{request.param}: {refused}")
    monkeypatch.setattr(running, "isolation", lambda unsafe: request.param)
    return request.param


def attack(program, tests=TESTS, names=("f",), limits=QUICK):
    return run_python(program, tests, names=names, limits=limits)
