"""System calls that a program has no need of and that no other limit holds (seccomp).

Memory that belongs to no process counts in none (shared segments, files without a folder, keys);
some sockets know no network namespace (to the machine around a virtual one); the rest is what
programs that broke out of such sandboxes began with.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Mapping

from .namespaces import call

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

# Instructions: load a word of what is asked; compare and skip; end.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16

_NEW_WORLDS = 0x7E020000  # the flags of clone that make a namespace
_FAMILIES = (1, 2, 10)  # Unix, and internet, which ends nowhere here

_DENIED: Mapping[str, tuple[int, ...]] = {
    # memfd_create, memfd_secret, shmget, msgget, semget; add_key, request_key, keyctl; unshare,
    # setns, mount; ptrace, process_vm_readv, process_vm_writev; bpf, perf_event_open, userfaultfd,
    # io_uring_setup
    "x86_64": (
        319,
        447,
        29,
        68,
        64,
        248,
        249,
        250,
        272,
        308,
        165,
        101,
        310,
        311,
        321,
        298,
        323,
        425,
    ),
    "aarch64": (
        279,
        447,
        194,
        186,
        190,
        217,
        218,
        219,
        97,
        268,
        40,
        117,
        270,
        271,
        280,
        241,
        282,
        425,
    ),
}
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE, _SOCKET, _SOCKETPAIR = (
    {"x86_64": 56, "aarch64": 220},
    {"x86_64": 41, "aarch64": 198},
    {"x86_64": 53, "aarch64": 199},
)
_CLONE3, _OTHER_WORDS = 435, 0x40000000  # the second: x86-64 with words of 32 bits


def keep_out() -> None:
    """Deny these calls to this process and all that it starts, for good.

    Raises:
        OSError: The kernel has no such filter, or this is a machine that it is not written for.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}")
    code = _program(machine)
    words = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("words", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(words))
    call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)


def _program(machine: str) -> bytes:
    refuse = _step(_RETURN, _ERROR | errno.EPERM)
    steps = [
        *(_step(_LOAD, _MACHINE), _step(_EQUAL, _MACHINES[machine], then=1)),
        *(_step(_RETURN, _KILL), _step(_LOAD, _NUMBER)),
        *(_step(_AT_LEAST, _OTHER_WORDS, otherwise=1), refuse),
    ]
    for number in _DENIED[machine]:
        steps += [_step(_EQUAL, number, otherwise=1), refuse]
    # Its flags lie in memory, where a filter cannot look; the C library then takes `clone`.
    steps += [_step(_EQUAL, _CLONE3, otherwise=1), _step(_RETURN, _ERROR | errno.ENOSYS)]
    steps += [_step(_EQUAL, _CLONE[machine], otherwise=4), _step(_LOAD, _FIRST_ARGUMENT)]
    steps += [_step(_ANY_BIT, _NEW_WORLDS, otherwise=1), refuse, _step(_RETURN, _ALLOW)]
    sockets = (_SOCKET[machine], _SOCKETPAIR[machine])
    steps += [_step(_EQUAL, sockets[0], then=1), _step(_EQUAL, sockets[1], otherwise=5)]
    steps.append(_step(_LOAD, _FIRST_ARGUMENT))
    for left, family in zip((3, 2, 1), _FAMILIES, strict=True):
        steps.append(_step(_EQUAL, family, then=left))
    steps += [_step(_RETURN, _ERROR | errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW)]
    return b"".join(steps)


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """An instruction; of a comparison, how many to skip where it holds, and where it does not."""
    return struct.pack("=HBBI", code, then, otherwise, value)
