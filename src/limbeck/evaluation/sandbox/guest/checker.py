"""The side of the tests: it runs them here, on copies of what the program returns.

An assertion is therefore evaluated by an interpreter that the program has no part in: it may patch
its own builtins, leave at any moment or return objects that claim to equal anything.
"""

import builtins
import secrets
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from .wire import Gone, Ref, Wire, decode, encode


class ProgramError(Exception):
    """An exception of the program that is none of Python's own."""


class Remote:
    """An object of the program, which does there what is done to it here.

    It equals no value of the tests, however its class compares; two such objects are compared by
    the program.
    """

    __slots__ = ("_asker", "_ref")

    def __init__(self, asker: "Asker", ref: Ref):
        object.__setattr__(self, "_asker", asker)
        object.__setattr__(self, "_ref", ref)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 (as every other operator)
        return self._asker.ask("call", self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._asker.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._asker.ask("setattr", self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return self._ref == other._ref or self._asker.ask("eq", self, other) is True

    def __hash__(self) -> int:
        return hash(self._ref)

    def __getitem__(self, key: Any) -> Any:
        return self._asker.ask("getitem", self, key)

    def __contains__(self, item: Any) -> bool:
        return self._asker.ask("contains", self, item) is True

    def __len__(self) -> int:
        return self._asker.ask("len", self)

    def __bool__(self) -> bool:
        return self._asker.ask("bool", self) is True

    def __str__(self) -> str:
        return self._asker.ask("str", self)

    def __repr__(self) -> str:
        return self._asker.ask("repr", self)

    def __iter__(self) -> Iterator[Any]:
        return self._asker.ask("iter", self)

    def __next__(self) -> Any:
        return self._asker.ask("next", self)


class Asker:
    """Asks the program's side, one request after another.

    Attributes:
        gone: Whether there was no answer to one of them.
    """

    def __init__(self, wire: Wire):
        self._wire = wire
        self.gone = False

    def ask(self, do: str, *parts: Any) -> Any:
        """The program's answer, or its exception.

        Raises:
            Gone: There is none. `gone` remembers it, for tests that catch everything.
        """
        try:
            return self._ask(do, parts)
        except Gone:
            self.gone = True
            raise

    def _ask(self, do: str, parts: tuple[Any, ...]) -> Any:
        # An answer that was not asked for has not this number, and ends the matter.
        number = secrets.token_hex(8)
        self._wire.write(
            {"id": number, "do": do, "parts": [encode(p, self._reference) for p in parts]}
        )
        answer = self._wire.read()
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise Gone
        if "error" in answer:
            raise _exception(answer["error"])
        try:
            return decode(answer["value"], lambda ref: Remote(self, ref))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise Gone from None

    @staticmethod
    def _reference(value: Any) -> Ref:
        if isinstance(value, Remote):
            return value._ref
        raise TypeError(f"the tests hand over a {type(value).__name__}, which cannot be copied")


def check(wire: Wire, source: str, names: Sequence[str], setup: str, tests: str) -> dict[str, str]:
    """Run the tests on the program's answers.

    Returns:
        ``status``: passed, failed, or gone where the program went away; with ``error`` and ``trace``.
    """
    asker = Asker(wire)
    space: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(setup, "<setup>", "exec"), space)
        asker.ask("load", source)
        for name in names:
            space[name] = asker.ask("named", name)
        exec(compile(tests, "<tests>", "exec"), space)
    except BaseException as error:
        if asker.gone:
            return {"status": "gone", "error": "", "trace": ""}
        where = error.__traceback__.tb_next if error.__traceback__ else None  # without this frame
        trace = "".join(traceback.format_exception(type(error), error, where, -6))
        return {"status": "failed", "error": type(error).__name__, "trace": trace[-4000:]}
    return {"status": "gone" if asker.gone else "passed", "error": "", "trace": ""}


def _exception(told: Any) -> Exception:
    """The exception of that name, where it is an ordinary one of Python's own."""
    name, text = (str(part) for part in told)
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:  # UnicodeDecodeError and its like take more
            pass
    return ProgramError(f"{name}: {text}")
