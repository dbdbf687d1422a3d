"""What a program asks of the kernel itself, beyond every limit that the kernel counts."""

import os
import subprocess
import sys

import pytest
from tests.evaluation.attacks import attack, every_way  # noqa: F401 (a fixture)

KERNEL = """
import ctypes, os, socket, sys
c = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == "x86_64"
def works(number, *args):
    return c.syscall(number, *args) >= 0
"""
CALLS = {
    "a file without a folder": "os.memfd_create('x')\nanswer = True",
    "a shared segment": "answer = works(29 if x86 else 194, 0, 2**20, 0o1600)",
    "a message queue": "answer = works(68 if x86 else 186, 0, 0o1600)",
    "a key": "answer = works(250 if x86 else 219, 0, -4, 1)",
    "a ring": "answer = works(425, 8, ctypes.create_string_buffer(120))",
    "a socket to the machine around": "socket.socket(40, socket.SOCK_STREAM)\nanswer = True",
    "a socket to the kernel": "socket.socket(16, socket.SOCK_RAW, 0)\nanswer = True",
    "a namespace": "answer = works(272 if x86 else 97, 0x10000000)",
    "a namespace of a child": "answer = works(56 if x86 else 220, 0x10000011, 0, 0, 0, 0)",
}


@pytest.mark.parametrize("code", CALLS.values(), ids=CALLS)
def test_what_no_other_limit_holds_is_denied(code):
    """A program filled 800 MB that no process owned, with a limit of 256."""
    program = (
        f"{KERNEL}try:\n    {'; '.join(code.splitlines())}\nexcept OSError:\n    answer = False"
    )
    outcome = attack(program, "assert answer is False", ("answer",))
    assert outcome.passed, outcome


def test_threads_processes_and_local_sockets_are_not_denied():
    program = """
import socket, subprocess, sys, threading
def f(x):
    found = []
    one, other = socket.socketpair()
    thread = threading.Thread(target=lambda: found.append(other.recv(9)))
    thread.start()
    one.send(b"x")
    thread.join()
    said = subprocess.run([sys.executable, "-S", "-c", "print(3)"], capture_output=True).stdout
    return len(found) + int(said)
"""
    assert attack(program).status == "passed"


def test_empty_files_have_an_end(way):
    if way == "bubblewrap":
        pytest.skip("bwrap gives its scratch folder no limit of files")
    program = "for n in range(10**5):\n    open(str(n), 'w').close()"
    assert "No space left" in attack(program, "", names=()).stderr


WITHOUT_MOUNT = """
import ctypes, os, sys, time
from limbeck.evaluation.sandbox.guest import filter, namespaces
head, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
libc = ctypes.CDLL(None)
libc.capget(head, rights)
for place in range(3):
    rights[place] &= ~(1 << 21)  # CAP_SYS_ADMIN
assert libc.capset(head, rights) == 0
try:
    namespaces.enter(sys.argv[1], ["/usr", "/dev/null"], 2**22)
except OSError as error:
    print("refused", error)
    os._exit(0)
if not (child := os.fork()):
    namespaces.drop(8)
    made = 0
    try:
        while made < 50:
            if not os.fork():
                time.sleep(60)
            made += 1
    except OSError:
        pass
    print("made", made, flush=True)
    os._exit(0)
os.waitpid(child, 0)
os._exit(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone is held to no count of processes")
def test_root_without_the_right_to_mount_is_held_to_the_limit_too(way, tmp_path):
    """As in many containers: the user namespace's nobody was the machine's root."""
    if way == "bubblewrap":
        pytest.skip("bwrap drops rights by itself")
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_MOUNT, str(tmp_path)], capture_output=True, text=True
    )
    if told.stdout.startswith("refused"):
        pytest.skip(told.stdout)
    assert told.stdout.startswith("made"), told.stderr
    assert int(told.stdout.split()[1]) < 8
