"""The command that starts an interpreter kept apart, and what of this machine it is shown."""

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

Isolation = Literal["bubblewrap", "namespaces", "none"]

_HERE = Path(__file__).resolve().parent
_START = "import sys; sys.path.append({!r}); from guest.stage import main; main()"
_INSIDE = "/opt/sandbox"  # where the guest's modules are seen under bubblewrap
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# The environment that every guest gets; the seed makes verdicts that depend on sets repeatable.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "PYTHONHASHSEED": "0"}


def interpreter() -> str:
    """The interpreter itself, not a virtual environment's link: its folder is all that is shown."""
    return os.path.realpath(sys.executable)


def shown() -> list[str]:
    """Files and folders that a guest sees, read-only: Python, what it links to, devices.

    A path that is a link stays a link.
    """
    system = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store")
    files = ("/etc/ld.so.cache", "/etc/localtime")
    bases = {os.path.realpath(base) for base in (sys.base_prefix, sys.base_exec_prefix)}
    paths = bases | {path for path in (*system, *files, *_DEVICES) if os.path.lexists(path)}
    return sorted(p for p in paths if not any(p.startswith(other + "/") for other in paths))


def command(way: Isolation, scratch_bytes: int) -> list[str]:
    """The command that starts a guest, which reads what to do from its standard input."""
    python = [interpreter(), "-S", "-s", "-P", "-B", "-u", "-X", "utf8", "-c"]
    if way != "bubblewrap":
        return [*python, _START.format(str(_HERE))]
    bwrap = shutil.which("bwrap")
    assert bwrap is not None
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        # The guest itself becomes a user that owns nothing: root is held to no limit of processes.
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        options += ["--unshare-user"]
    for path in shown():
        for parent in reversed(Path(path).parents[:-1]):
            options += ["--perms", "0755", "--dir", str(parent)]
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        else:
            options += ["--dev-bind" if path in _DEVICES else "--ro-bind", path, path]
    options += ["--ro-bind", str(_HERE / "guest"), f"{_INSIDE}/guest"]
    options += ["--perms", "1777", "--size", str(scratch_bytes), "--tmpfs", "/tmp"]
    options += ["--chdir", "/tmp", "--remount-ro", "/"]
    return [bwrap, *options, "--", *python, _START.format(_INSIDE)]
