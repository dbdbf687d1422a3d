"""Writers that take text and give text: a server knows none of our token ids."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Protocol

from limbeck.data import Message
from limbeck.engines.base import Capabilities

_CUT = (None, "length", "content_filter", "tool_calls", "function_call")


@dataclass(frozen=True, slots=True)
class Request:
    """All that an answer depends on.

    Attributes:
        model: Its name at the server.
        prompt: Text to continue, or the turns of a conversation to answer.
        max_new_tokens: Longest answer, in the writer's tokens.
        temperature: 0 decodes greedily.
        top_p: Keep the smallest set of tokens with at least this probability.
        seed: Of the sample; without meaning at temperature 0.
        nth: How often the same was asked before, to get another sample; likewise.
    """

    model: str
    prompt: str | tuple[Message, ...]
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int = 0
    nth: int = 0

    @property
    def canonical(self) -> str:
        """The request as JSON; what makes no difference to a greedy answer is left out."""
        fields = asdict(self)
        if self.temperature == 0:
            for name in ("top_p", "seed", "nth"):
                del fields[name]
        return json.dumps(fields, sort_keys=True)

    @property
    def key(self) -> str:
        """The address of the answer: a hash of the content."""
        return hashlib.blake2b(self.canonical.encode(), digest_size=16).hexdigest()

    @property
    def own_seed(self) -> int | None:
        """What the server is given: another number for each request, None where it would be idle."""
        return None if self.temperature == 0 else int(self.key[:7], 16)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        text: Without the prompt.
        finish_reason: Why it ends there, in the server's words.
        tokens_in: Tokens of the prompt, as the server counts and bills them; None where it does
            not tell.
        tokens_out: Tokens of the answer, likewise.
    """

    text: str
    finish_reason: str | None = "stop"
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def finished(self) -> bool:
        """Whether the writer ended by itself; a text that was cut teaches not to stop."""
        return self.finish_reason not in _CUT


class Unanswered(Exception):
    """An attempt failed in a way that may pass.

    Args:
        what: What happened.
        wait_seconds: How long the server wants to be left alone; None where it does not say.
    """

    def __init__(self, what: str, wait_seconds: float | None = None):
        super().__init__(what)
        self.wait_seconds = wait_seconds


Ask = Callable[[Request], Awaitable[Response]]


class TextEngine(Protocol):
    """Answers requests: anything behind an API, or a model in this process that is used like one."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def open(self) -> AbstractAsyncContextManager[Ask]:
        """A connection, which makes one attempt at a request.

        It raises `Unanswered` where another attempt may succeed, and LimbeckError where not.
        """
        ...
