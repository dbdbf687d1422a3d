"""The side of the untrusted program: it runs it, and does with its objects what the tests ask."""

import operator
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from .wire import Gone, Ref, Wire, decode, encode


def solve(wire: Wire) -> None:
    """Answer the tests' requests until they hang up."""
    objects: list[Any] = []
    numbers: dict[int, int] = {}  # by identity, which is safe because `objects` keeps them alive

    def reference(value: Any) -> Ref:
        if id(value) not in numbers:
            numbers[id(value)] = len(objects)
            objects.append(value)
        return Ref(numbers[id(value)])

    def resolve(ref: Ref) -> Any:
        return objects[ref.number]

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__

    def load(source: str) -> None:
        exec(compile(source, "<program>", "exec"), space)

    def named(name: str) -> Any:
        if name not in space:
            raise NameError(f"name {name!r} is not defined by the program")
        return space[name]

    actions: dict[str, Callable[..., Any]] = {
        "load": load,
        "named": named,
        "call": lambda what, args, kwargs: what(*args, **kwargs),
        "getattr": getattr,
        "setattr": setattr,
        "getitem": operator.getitem,
        "contains": operator.contains,
        "eq": lambda a, b: bool(a == b),
        "len": len,
        "bool": bool,
        "str": str,
        "repr": repr,
        "iter": iter,
        "next": next,
    }
    while True:
        try:
            asked = wire.read()
        except Gone:
            return
        try:
            parts = [decode(part, resolve) for part in asked["parts"]]
            reply = {"value": encode(actions[asked["do"]](*parts), reference)}
        except BaseException as error:
            # StopIteration only ends a loop of the tests.
            if not isinstance(error, StopIteration):
                traceback.print_exc(limit=-6)  # a deep recursion would fill the output
            reply = {"error": [type(error).__name__, str(error)[:2000]]}
        try:
            wire.write({"id": asked["id"], **reply})
        except ValueError as error:
            wire.write({"id": asked["id"], "error": ["ValueError", str(error)]})
        except Gone:
            return
