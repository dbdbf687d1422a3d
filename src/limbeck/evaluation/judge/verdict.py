"""Reading a judge's answer: one letter, or nothing."""

import re
from typing import Literal, cast

Verdict = Literal["A", "B", "C"]

_LABEL = re.compile(r"(?:answer|verdict)\s*:\s*", re.IGNORECASE)
_AROUND = " \t*_`'\"()[]."


def verdict(answer: str) -> Verdict | None:
    """A, B or C (a tie), None where the answer says none of them.

    Its first line that is not empty decides. It must be one of the capital letters and nothing
    else, but for a label (``Answer:``, ``Verdict:``) before it and emphasis, quotes, brackets and a
    full stop around it. ``A is better``, ``A or B`` and ``a`` are no verdicts: where an answer
    begins with words, what it ends with may have been cut off.
    """
    lines = (line for line in answer.splitlines() if line.strip())
    line = next(lines, "").strip(_AROUND)
    letter = _LABEL.sub("", line, count=1).strip(_AROUND) if _LABEL.match(line) else line
    return cast(Verdict, letter) if letter in ("A", "B", "C") else None
