"""What the doctor says: each finding has a what, a why and a mend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.markup import escape

from limbeck.console import say
from limbeck.errors import RequestError

Status = Literal["ok", "note", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One check and what it found.

    Attributes:
        check: Its name.
        status: ``ok``; ``note``, good to know; ``warn``, the result may suffer; ``fail``, not ready.
        what: What is the case.
        why: Why it matters, empty for ``ok``.
        mend: What to do, empty where nothing needs doing.
    """

    check: str
    status: Status
    what: str
    why: str = ""
    mend: str = ""


def say_finding(finding: Finding) -> None:
    """Tell a user who did not ask the doctor, while the work goes on."""
    words = f"{finding.what} ({finding.why}). {finding.mend}"
    say(f"[yellow]{finding.check}:[/] {escape(words)}")


def refuse(findings: Sequence[Finding]) -> None:
    """Stop a request that is not ready.

    Raises:
        RequestError: A finding failed.
    """
    failed = [f for f in findings if f.status == "fail"]
    if failed:
        more = (
            f" (and {len(failed) - 1} more: limbeck doctor lists them)" if len(failed) > 1 else ""
        )
        first = failed[0]
        raise RequestError(
            f"{first.what}{more}", where=f"{first.check}: {first.why}", mend=first.mend
        )
