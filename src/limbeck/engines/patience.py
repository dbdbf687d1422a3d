"""How often a request is repeated, and how long it waits before."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from limbeck.engines.text import Unanswered
from limbeck.errors import LimbeckError

Found = TypeVar("Found")


@dataclass(frozen=True)
class Patience:
    """Exponential back-off with jitter, so that requests that failed together do not come together.

    Attributes:
        attempts: At most so many for one request.
        first_seconds: Longest wait after the first failure; it doubles with each further one.
        most_seconds: Longest wait that is our own choice; the shortest is half of the longest.
        longest_asked_seconds: A server that wants to be left alone for longer is not waited for.
        mend: What to do when it is at an end.
    """

    attempts: int = 12
    first_seconds: float = 0.5
    most_seconds: float = 30.0
    longest_asked_seconds: float = 600.0
    mend: str = "run the same command again later: what was answered is kept, and it goes on there"

    async def until_answered(
        self,
        attempt: Callable[[], Awaitable[Found]],
        where: str,
        stop: asyncio.Event | None = None,
    ) -> Found:
        """Repeat an attempt until it succeeds.

        Args:
            attempt: Raises `Unanswered` where it may succeed another time.
            where: Who is asked, for messages.
            stop: Once it is set, nothing is attempted again, and nobody waits on.

        Raises:
            LimbeckError: It failed too often, or the server wants too long a pause.
            Unanswered: The last attempt failed, and ``stop`` is set.
        """
        stop = stop or asyncio.Event()
        for number in range(1, self.attempts + 1):
            try:
                return await attempt()
            except Unanswered as failure:
                if stop.is_set():
                    raise
                asked = failure.wait_seconds or 0.0
                if number == self.attempts or asked > self.longest_asked_seconds:
                    raise self._given_up(failure, number, asked, where) from None
                if await _set_within(stop, max(asked, self._pause(number))):
                    raise
        raise AssertionError("unreachable")

    def _pause(self, number: int) -> float:
        longest = min(self.most_seconds, self.first_seconds * 2 ** (number - 1))
        return longest * random.uniform(0.5, 1.0)

    def _given_up(self, failure: Unanswered, number: int, asked: float, where: str) -> LimbeckError:
        waits = f"; it asks for a pause of {asked:,.0f} seconds" if asked else ""
        return LimbeckError(
            f"no answer after {number} attempts: {failure}{waits}",
            where=where,
            mend=self.mend,
        )


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def run_to_end(work: Coroutine[Any, Any, Found]) -> Found:
    """The result of asynchronous work; a notebook, which runs a loop already, gets another thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
