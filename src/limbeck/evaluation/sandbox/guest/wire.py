"""Frames of JSON between the two interpreters, with values by copy and objects by number.

The reading side builds only built-in values and `Ref`, whatever the other side sends: no pickle.
"""

import builtins
import collections
import datetime
import decimal
import fractions
import json
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LONGEST = 64 * 2**20
_EXACT = 2**53

# How each kind is copied, most special first: `bool` is an `int`. A subclass travels as its base,
# so that what arrives compares and hashes as a built-in does.
_SEQUENCES: dict[type, tuple[str, Callable[[Any], Iterator[Any]]]] = {
    tuple: ("tuple", tuple.__iter__),
    set: ("set", set.__iter__),
    frozenset: ("frozenset", frozenset.__iter__),
    collections.deque: ("deque", collections.deque.__iter__),
}
_TEXTS: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("bytes", lambda v: bytes(v).hex()),
    bytearray: ("bytearray", lambda v: bytes(v).hex()),
    decimal.Decimal: ("decimal", str),
    fractions.Fraction: ("fraction", str),
    datetime.datetime: ("datetime", lambda v: v.isoformat()),
    datetime.date: ("date", lambda v: v.isoformat()),
}
_TYPES = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
_READ: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "int": lambda text: int(text, 16),
    "complex": lambda parts: complex(*parts),
    "dict": dict,
    "range": lambda parts: range(*parts),
    "type": lambda name: _TYPES[name],
}


class Gone(BaseException):
    """The other side has closed the wire, or speaks something else."""


@dataclass(frozen=True)
class Ref:
    """An object that stays where the program is."""

    number: int


def encode(value: Any, reference: Callable[[Any], Ref]) -> Any:
    """``value`` as JSON; what has no copy goes through ``reference``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        whole = int.__int__(value)
        return whole if abs(whole) < _EXACT else {"int": hex(whole)}
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, list):
        return [encode(each, reference) for each in list.__iter__(value)]
    if isinstance(value, dict):
        pairs = dict.items(value)
        return {"dict": [[encode(k, reference), encode(v, reference)] for k, v in pairs]}
    if type(value) is range:
        return {"range": [value.start, value.stop, value.step]}
    for kind, (name, items) in _SEQUENCES.items():
        if isinstance(value, kind):
            return {name: [encode(each, reference) for each in items(value)]}
    for kind, (name, text) in _TEXTS.items():
        if isinstance(value, kind):
            return {name: text(value)}
    if isinstance(value, type) and _TYPES.get(value.__name__) is value:
        return {"type": value.__name__}
    return {"ref": reference(value).number}


def decode(value: Any, resolve: Callable[[Ref], Any]) -> Any:
    """What `encode` wrote; references go through ``resolve``."""
    if isinstance(value, list):
        return [decode(each, resolve) for each in value]
    if isinstance(value, dict):
        ((kind, inner),) = value.items()
        if kind == "ref":
            return resolve(Ref(int(inner)))
        return _READ[kind](decode(inner, resolve))
    return value


class Wire:
    """One end of a connected pair of sockets.

    Args:
        descriptor: The open socket, owned from here on.
    """

    def __init__(self, descriptor: int):
        self._socket = socket.socket(fileno=descriptor)

    def write(self, message: Any) -> None:
        """Send a message.

        Raises:
            ValueError: It is too long.
            Gone: Nobody listens.
        """
        body = json.dumps(message).encode()
        if len(body) > _LONGEST:
            raise ValueError(f"a value of {len(body)} bytes is too long to be compared")
        try:
            self._socket.sendall(struct.pack(">I", len(body)) + body)
        except OSError:
            raise Gone from None

    def read(self) -> Any:
        """The next message.

        Raises:
            Gone: There is none, or it is no message.
        """
        (length,) = struct.unpack(">I", self._exactly(4))
        if length > _LONGEST:
            raise Gone
        try:
            return json.loads(self._exactly(length))
        except (ValueError, RecursionError):
            raise Gone from None

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            try:
                part = self._socket.recv(min(count, 2**20))
            except OSError:
                raise Gone from None
            if not part:
                raise Gone
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
