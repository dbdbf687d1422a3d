"""The solution in a teacher's reply, without what it noted for itself."""

import re

_MARKER = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*\**[ \t]*solution[ \t]*:?[ \t]*\**[ \t]*:?"
    r"|\*\*[ \t]*solution[ \t]*:?[ \t]*\*\*[ \t]*:?"
    r"|solution[ \t]*:)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"\A```[^\n`]*\n(.*?)\n?```\Z", re.DOTALL)


def solution_of(text: str) -> str:
    """What follows the last line that is a ``### solution`` marker, or the whole text.

    A code fence around it and white space at its ends are left out. Where nothing follows the
    marker, the solution is empty.
    """
    markers = list(_MARKER.finditer(text))
    solution = text[markers[-1].end() :].strip() if markers else text.strip()
    fenced = _FENCE.match(solution)
    return fenced[1].strip() if fenced else solution
