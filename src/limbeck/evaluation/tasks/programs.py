"""Programs: where they stand in what a model writes, and how a task of code runs them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.evaluation.sandbox import Outcome
from limbeck.evaluation.sandbox.limits import Status

_OPENS = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*(\w*)[^`]*")
_PYTHON = ("python", "python3", "py")


@dataclass(frozen=True)
class Programs:
    """How a task makes programs of completions, and runs them.

    Attributes:
        cut: A continued text up to where the model began something new.
        names: What a row's tests use of a program.
        run: ``(row, program, unsafe=...)``; `limbeck.evaluation.humaneval.run`, say.
    """

    cut: Callable[[str], str]
    names: Callable[[Mapping[str, Any]], Sequence[str]]
    run: Callable[..., Outcome]

    def read(self, row: Mapping[str, Any], text: str, *, chat: bool) -> tuple[str, bool]:
        """The program in what a model wrote, and whether the text goes on behind its end.

        Of an answer in a conversation it is the last block of Python that defines what the tests
        use, else the last block, else all of the answer.

        Args:
            row: The problem.
            text: What the model wrote.
            chat: Whether that is an answer, or continues the text of the prompt.
        """
        if not chat:
            program = self.cut(text)
            return program, len(program) < len(text)
        found = blocks(text)
        if not found:
            return text, False
        whole = [block for block in found if all(_defines(block[0], n) for n in self.names(row))]
        return (whole or found)[-1]


@dataclass(frozen=True)
class Attempt:
    """One program that a model wrote to a problem, and how it fared.

    Attributes:
        text: What the model wrote.
        program: What was read out of it and run.
        truncated: Whether the model was cut off before the program had an end.
        status: How the run ended.
        stderr: The end of what program and tests wrote to standard error.
        seconds: How long the run took.
    """

    text: str
    program: str
    truncated: bool
    status: Status
    stderr: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it passed all tests."""
        return self.status == "passed"

    @property
    def empty(self) -> bool:
        """Whether there was no program."""
        return not self.program.strip()


def blocks(text: str) -> list[tuple[str, bool]]:
    """Fenced blocks of Python, each with whether it is closed; of no language where none is.

    A block loses the indentation of its fence and no more, so that a function's body stays one.
    """
    found: list[tuple[str, str, bool]] = []
    lines: list[str] = []
    fence = indent = language = ""
    for line in text.split("\n"):
        if fence:
            if re.fullmatch(rf"[ \t]*{fence}{fence[0]}*\s*", line):
                found.append((language, "\n".join(lines), True))
                fence = ""
            else:
                lines.append(line.removeprefix(indent))
        elif opens := _OPENS.fullmatch(line):
            indent, fence, language = opens[1], opens[2], opens[3].lower()
            lines = []
    if fence:
        found.append((language, "\n".join(lines), False))
    python = [(code, closed) for named, code, closed in found if named in _PYTHON]
    return python or [(code, closed) for named, code, closed in found if not named]


def _defines(program: str, name: str) -> bool:
    begins = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b|^{re.escape(name)}[ \t]*="
    return re.search(begins, program, re.MULTILINE) is not None
