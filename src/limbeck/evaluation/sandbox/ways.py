"""What this machine has to keep a program apart."""

import functools
import shutil
import sys

from limbeck.errors import RequestError
from limbeck.evaluation.sandbox.command import Isolation
from limbeck.evaluation.sandbox.guests import Guest

_WAYS: tuple[Isolation, ...] = ("bubblewrap", "namespaces")


def isolation(*, unsafe: bool = False) -> Isolation:
    """The strongest way to keep a program apart that works here, tried once.

    Args:
        unsafe: Take ``none`` where nothing works, instead of refusing.

    Raises:
        RequestError: Nothing works, and ``unsafe`` is not set.
    """
    reasons = []
    for way in _WAYS:
        refused = _refused(way)
        if not refused:
            return way
        reasons.append(f"{way}: {refused}")
    if unsafe:
        return "none"
    raise RequestError(
        "generated programs cannot be kept apart from this machine",
        where="; ".join(reasons),
        mend="install bubblewrap (package `bubblewrap`), allow user namespaces (sysctl "
        "kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0), or, only in a "
        "machine of no value, run them without protection (limbeck eval --unsafe; in Python "
        "unsafe=True)",
    )


@functools.cache
def _refused(way: Isolation) -> str:
    """Why this way does not work here, empty where it does."""
    if sys.platform != "linux":
        return "only on Linux"
    if way == "bubblewrap" and shutil.which("bwrap") is None:
        return "bwrap is not on the PATH"
    return Guest.probe(way)
