"""Programs that want out, or want to be told that they passed."""

import os
import socket
import time
from pathlib import Path

import psutil
import pytest
from tests.evaluation.attacks import BAD, GOOD, QUICK, attack, every_way  # noqa: F401 (a fixture)

from limbeck.evaluation.sandbox import Limits, run_many


def left_over(mark):
    """Processes whose command line carries the mark."""
    return [
        p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])
    ]


def test_an_honest_program_passes_and_a_wrong_one_fails():
    assert attack(GOOD).status == "passed"
    wrong = attack(BAD)
    assert wrong.status == "failed" and "AssertionError" in wrong.stderr


FORGERIES = {
    "leaves with success": BAD + "import sys\nsys.exit(0)",
    "leaves at once": BAD + "import os\nos._exit(0)",
    "leaves when asked": "import os\ndef f(x):\n    os._exit(0)",
    "leaves by SystemExit when asked": "import sys\ndef f(x):\n    sys.exit(0)",
    "catches what it can": "import sys\ntry:\n    sys.exit(0)\nexcept SystemExit:\n    print('passed')\n"
    + BAD,
    "reports by atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\n" + BAD,
    "equals everything": "class Yes:\n    __eq__ = lambda s, o: True\n    __hash__ = None\n"
    "def f(x):\n    return Yes()",
    "equals everything as an int": "class Yes(int):\n    __eq__ = lambda s, o: True\n"
    "def f(x):\n    return Yes(0)",
    "patches assert": "import builtins\nclass Calm(Exception): pass\n"
    "builtins.AssertionError = Calm\n" + BAD,
    "patches builtins": "import builtins\nfor n in ('abs', 'all', 'len', 'set', 'sorted', 'compile',"
    " 'exec', 'isinstance'):\n    setattr(builtins, n, lambda *a, **k: 0)\n" + BAD,
    "patches unittest and the guest": "import sys, unittest\n"
    "unittest.TestCase.assertEqual = lambda *a: None\n"
    "m = sys.modules.get('guest.checker')\n"
    "m.check = lambda *a: {'status': 'passed', 'error': '', 'trace': ''}\n" + BAD,
    "traces over the checks": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(print)\n"
    + BAD,
    "redefines the names of the tests": "def f(x):\n    return 0\ndef check(*a): pass\n__debug__1 = 0\n"
    "abs = all = lambda x: True\n",
    "writes to every descriptor": """
import json, os
said = json.dumps({"status": "passed", "error": "", "trace": "", "nonce": "0" * 32}) + "\\n"
for fd in range(3, 256):
    try:
        os.write(fd, said.encode())
    except OSError:
        pass
"""
    + BAD,
    "answers before it is asked": """
import gc, json, struct
for wire in [o for o in gc.get_objects() if type(o).__name__ == "Wire"]:
    for number in range(4):
        wire.write({"id": str(number), "value": 4})
"""
    + BAD,
}


@pytest.mark.parametrize("program", FORGERIES.values(), ids=FORGERIES)
def test_no_program_reports_its_own_success(program):
    """A student that learnt to leave early would beat its teacher."""
    outcome = attack(program)
    assert outcome.status == "failed", outcome


@pytest.mark.parametrize("name", ["patches builtins", "redefines the names of the tests"])
@pytest.mark.parametrize("tests", ["assert abs(f(2) - 4) < 1", "assert all([f(2) == 4])"])
def test_the_functions_of_the_tests_are_their_own(name, tests):
    assert attack(GOOD, tests).passed
    assert attack(FORGERIES[name], tests).status == "failed"


def test_tests_that_catch_everything_do_not_cover_for_the_dead():
    tests = "try:\n    f(2)\nexcept BaseException:\n    pass"
    assert attack(GOOD, tests).status == "passed"
    assert attack("import os\ndef f(x):\n    os._exit(0)", tests).status == "failed"


def test_a_program_that_takes_over_its_side_answers_questions_at_best():
    """Whoever speaks for the program gives return values, and those are compared elsewhere."""
    program = """
import sys
frame = sys._getframe()
while "asked" not in frame.f_locals:
    frame = frame.f_back
asked, wire = frame.f_locals["asked"], frame.f_locals["wire"]
while True:
    wire.write({"id": asked["id"], "value": True if asked["do"] in ("eq", "bool") else {"ref": 7}})
    asked = wire.read()
"""
    assert attack(program).status == "failed"


SECRETS = {
    "shadow": "open('/etc/shadow').read()",
    "passwd": "open('/etc/passwd').read()",
    "processes": "import os\nassert any(n.isdigit() for n in os.listdir('/proc'))",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', <port>), timeout=2)",
    "names": "import socket\nsocket.getaddrinfo('example.org', 80)",
    "home": "import os\nassert <sample> in os.listdir(<home>)",
    "write beside": "open(<home> + '/limbeck-was-here', 'w')",
    "write at the root": "open('/limbeck-was-here', 'w')",
    "write into Python": "import os\nopen(os.__file__, 'a')",
    "a file system to write on": "import os\nplaces = ('/', '/usr', os.path.dirname(os.__file__))\n"
    "assert not all(os.statvfs(p).f_flag & os.ST_RDONLY for p in places)",
    "link out": "import os\nos.symlink(<home>, 'out')\nopen('out/limbeck-was-here', 'w')",
    "mount": "import ctypes\nc = ctypes.CDLL(None)\n"
    "assert c.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "become root": "import os\nos.setuid(0)",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(0.1)\n"
    "os.kill(os.getppid(), 0)\nraise ValueError('it still stands')",
}


@pytest.mark.parametrize("program", SECRETS.values(), ids=SECRETS)
def test_nothing_of_the_machine_is_in_reach(program):
    """Generated text would read keys, or write to the disk it was made on."""
    home = Path.home()
    sample = next((p.name for p in home.iterdir() if p.name != ".pyenv"), "x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = {"home": str(home), "port": server.getsockname()[1], "sample": sample}
        for name, value in values.items():
            program = program.replace(f"<{name}>", repr(value))
        outcome = attack(program, tests="", names=())
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()
    assert outcome.status == "failed", outcome
    errors = ("AssertionError", "PermissionError", "FileNotFoundError", "OSError", "gaierror")
    errors += ("ConnectionRefusedError", "it still stands")
    assert any(error in outcome.stderr for error in errors), outcome
    assert not any((p / "limbeck-was-here").exists() for p in (home, Path("/")))


def test_the_scratch_folder_can_be_written_and_vanishes():
    program = "open('note', 'w').write('x')\ndef f(x):\n    return 4 if open('note').read() else 0"
    assert attack(program).status == "passed"
    assert attack("import os\ndef f(x):\n    return os.listdir('.')", "assert f(0) == []").passed


def test_the_scratch_folder_has_an_end():
    program = "for n in range(99):\n    open(str(n), 'wb').write(bytes(2**20))"
    assert "No space left" in attack(program, "", names=()).stderr


def test_a_fork_bomb_meets_the_limit():
    program = "import os\nwhile True:\n    os.fork()"
    before = len(psutil.pids())
    outcome = attack(program, limits=Limits(cpu=1, wall=10, processes=8))
    assert outcome.status in ("failed", "killed", "timeout")
    assert "BlockingIOError" in outcome.stderr or outcome.status != "failed"
    assert len(psutil.pids()) < before + 30


def test_the_limit_of_processes_is_the_programs_own():
    program = """
import os, time
def f(x):
    made = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(60)
            made += 1
    except BlockingIOError:
        return made
"""
    alone = attack(program, "print(f(0))")
    assert alone.passed, alone
    assert 3 < int(alone.stdout) < QUICK.processes
    together = run_many([lambda: attack(program, "print(f(0))")] * 4, workers=4)
    assert [o.stdout for o in together] == [alone.stdout] * 4


def test_memory_is_limited_for_one_process_and_for_all_together():
    assert attack("x = bytearray(2**30)").status == "memory"
    several = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = b'x' * (100 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    assert attack(several).status == "memory"


def test_endless_output_is_cut():
    outcome = attack("while True:\n    print('x' * 1000)")
    assert outcome.status == "output"
    assert len(outcome.stdout) == QUICK.output


def test_a_loop_and_a_sleep_end_in_time():
    short = Limits(cpu=1, wall=20)
    assert attack("while True: pass", limits=short).status == "timeout"
    ignoring = "import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
    ignoring += "    except (OSError, ValueError):\n        pass\nwhile True: pass"
    assert attack(ignoring, limits=short).status == "timeout"
    started = time.monotonic()
    assert attack("import time\ntime.sleep(60)", limits=Limits(wall=1)).status == "timeout"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("import os\nos.kill(os.getpid(), 9)", "killed"),
        ("import os\nos.abort()", "killed"),
        ("import ctypes\nctypes.string_at(0)", "killed"),
        ("import os\nos.kill(-1, 9)\nos._exit(0)", "failed"),
        ("def f(x):\n    return f(x)", "failed"),
        (
            "import sys\nsys.setrecursionlimit(10**9)\ndef f(x):\n    return [*map(f, [x])]",
            "killed",
        ),
        (
            "def f(x):\n    deep = []\n    for _ in range(10**5):\n        deep = [deep]\n    return deep",
            "failed",
        ),
        ("def f(x):\n    while True:\n        yield x", "failed"),
    ],
)
def test_a_crash_is_told_apart(program, status):
    assert attack(program).status == status


def test_no_process_survives():
    """A hundred forgotten daemons slow every later measurement."""
    mark = f"limbeck-daemon-{os.getpid()}"
    program = f"""
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(99)", {mark!r}])
    os._exit(0)
os.wait()
import time
time.sleep(0.3)
"""
    assert attack(program + GOOD).status == "passed"
    assert left_over(mark) == []
