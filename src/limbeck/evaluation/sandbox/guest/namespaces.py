"""A process of one's own world: own root, own processes, no network (Linux namespaces)."""

import ctypes
import os
import resource
import sys
from collections.abc import Sequence

_NEWNS, _NEWUTS, _NEWIPC = 0x00020000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_NOSUID, _NODEV, _BIND, _REC, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_MOUNT_SETATTR, _RECURSIVE = 442, 0x8000
_ATTR_READ_ONLY, _ATTR_NOSUID = 1, 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_CAPABILITIES_V3 = 0x20080522
NOBODY = 65534

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def call(what: str, *args: object) -> None:
    """Call a function of the C library that returns 0 where it works."""
    assert _libc is not None
    if getattr(_libc, what)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter(root: str, shown: Sequence[str], scratch_bytes: int) -> None:
    """Move this process into a root of its own, and become the first process of it.

    Returns only in that first process; the one that called waits for it and leaves as it left.

    Args:
        root: An empty folder for the new root to be mounted on.
        shown: Files and folders that are seen in it, read-only, at their own paths.
        scratch_bytes: How large the one place to write, ``/tmp``, may grow; it lives in memory.

    Raises:
        OSError: The kernel does not allow it.
    """
    world = _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS
    try:
        if os.geteuid() != 0:
            raise PermissionError
        call("unshare", world)
    except PermissionError:
        if os.geteuid() == 0:  # without the right to mount; still, root is held to no count
            _become_nobody()
            call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # or what follows cannot be written
        uid, gid = os.geteuid(), os.getegid()
        call("unshare", world | _NEWUSER)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{NOBODY} {uid} 1"),
            ("gid_map", f"{NOBODY} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    die_with_parent()  # which a change of rights undoes
    _furnish(root, shown, scratch_bytes)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    die_with_parent()


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _furnish(root: str, shown: Sequence[str], scratch_bytes: int) -> None:
    mount = b"tmpfs"
    os.umask(0o022)
    call("mount", None, b"/", None, _REC | _PRIVATE, None)
    call("mount", mount, root.encode(), mount, _NOSUID | _NODEV, b"mode=755,size=1m")
    for path in shown:
        place = root + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.islink(path):
            os.symlink(os.readlink(path), place)
            continue
        if os.path.isdir(path):
            os.makedirs(place, exist_ok=True)
        else:
            open(place, "w").close()
        call("mount", path.encode(), place.encode(), None, _BIND | _REC, None)
        _read_only(place, everything_below=True)
    os.makedirs(root + "/tmp")
    # An empty file takes no byte of the size, but memory all the same.
    size = f"mode=1777,size={scratch_bytes},nr_inodes={max(16, scratch_bytes // 2**10)}".encode()
    call("mount", mount, (root + "/tmp").encode(), mount, _NOSUID | _NODEV, size)
    os.chdir(root)
    assert _libc is not None
    if _libc.syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", b".") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    call("umount2", b".", _DETACH)
    _read_only("/", everything_below=False)
    os.chdir("/tmp")


def _read_only(path: str, *, everything_below: bool) -> None:
    assert _libc is not None
    wanted = (ctypes.c_uint64 * 4)(_ATTR_READ_ONLY | _ATTR_NOSUID, 0, 0, 0)
    flags = _RECURSIVE if everything_below else 0
    args = (-100, path.encode(), flags, wanted, ctypes.c_size_t(32))
    if _libc.syscall(_SYS_MOUNT_SETATTR, *args) != 0:
        raise OSError(ctypes.get_errno(), "mount_setattr")


def die_with_parent() -> None:
    """Be killed when the parent ends, however it ends."""
    if _libc is not None:
        call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def keep_to_oneself() -> None:
    """Take in orphans of the processes below, and let none of them look into this one."""
    if _libc is not None:
        call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def drop(processes: int) -> None:
    """Give up every right for good: a user that owns nothing, no capabilities, few processes.

    Processes are counted per user and user namespace, and root is held to no count. Only a
    namespace that begins before the limit does counts this program's processes alone: the limit
    that its maker has then also holds for all of the maker's processes together.
    """
    if _libc is None:
        return
    if os.geteuid() == 0:
        _become_nobody()
    _libc.unshare(_NEWUSER)
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    call("capset", head, (ctypes.c_uint32 * 6)())
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
