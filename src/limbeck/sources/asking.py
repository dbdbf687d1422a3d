"""Many requests answered through a store: several at once, within a budget, none twice."""

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from limbeck.console import Advance, progress
from limbeck.engines import Patience, Request, Response, TextEngine, Unanswered
from limbeck.engines.patience import run_to_end
from limbeck.engines.text import Ask
from limbeck.errors import LimbeckError
from limbeck.sources.budget import Budget, Spent
from limbeck.sources.store import Store


def told_apart(requests: Iterable[Request]) -> list[Request]:
    """The same requests, numbered where one comes again, so that it gets a sample of its own."""
    seen: dict[str, int] = {}
    numbered = []
    for request in requests:
        nth = seen[request.key] = seen.get(request.key, -1) + 1
        numbered.append(replace(request, nth=nth))
    return numbered


def ask_all(
    store: Store,
    engine: Callable[[], TextEngine],
    requests: Sequence[Request],
    *,
    where: str,
    what: str,
    concurrency: int = 8,
    budget: Budget | None = None,
    patience: Patience | None = None,
) -> list[Response]:
    """Answer all requests; those that the store knows cost nothing.

    An answer is stored before it counts. When a request fails for good, or the budget is
    exhausted, nothing new is asked, what is in flight is waited for and kept, and then the error is
    raised: the same call goes on at the first request without an answer.

    Args:
        store: Where answers are kept.
        engine: Who is asked; not called where everything is known.
        requests: What is asked, in any number of copies.
        where: The server, for messages.
        what: The work, in a few words.
        concurrency: Requests in flight at once.
        budget: Of everything that the store holds. It is exceeded by no more than what was in
            flight when it was reached.
        patience: With requests that fail.

    Raises:
        LimbeckError: A request failed for good, or the budget is exhausted.
    """
    known = store.find(requests)
    missing = {r.key: r for r in requests if r.key not in known}
    if missing:
        distinct = len(known) + len(missing)
        with progress(what, distinct, "answers", done=len(known)) as advance:
            work = _Work(store, budget or Budget(), patience or Patience(), where, advance)
            run_to_end(work.run(engine(), list(missing.values()), concurrency))
        known |= work.found
    return [known[r.key] for r in requests]


@dataclass
class _Work:
    """Some workers on one queue.

    Attributes:
        spent: By everything in the store.
        found: Answers so far, by key.
        error: Why nothing more is asked.
        stop: Set together with it.
    """

    store: Store
    budget: Budget
    patience: Patience
    where: str
    advance: Advance
    found: dict[str, Response] = field(default_factory=dict)
    error: Exception | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, engine: TextEngine, requests: list[Request], concurrency: int) -> None:
        self.spent = self.store.spent()
        queue = iter(requests)
        async with engine.open() as ask:
            workers = min(concurrency, len(requests))
            await asyncio.gather(*(self._worker(ask, queue) for _ in range(workers)))
        if self.error is not None:
            raise self.error

    async def _worker(self, ask: Ask, queue: Iterable[Request]) -> None:
        for request in queue:
            if self.budget.exhausted(self.spent):
                self._end(self._exhausted(self.spent))
            if self.stop.is_set():
                return
            try:
                response = await self.patience.until_answered(
                    functools.partial(ask, request), self.where, self.stop
                )
                self._keep(request, response)
            except Unanswered:
                return  # another worker has stopped the work
            except Exception as error:
                self._end(error)

    def _keep(self, request: Request, response: Response) -> None:
        self.store.add(request, response)
        self.found[request.key] = response
        self.spent = self.spent.plus(response.tokens_in, response.tokens_out)
        self.advance(1, note=self.budget.said(self.spent))
        told = response.tokens_in is not None and response.tokens_out is not None
        if self.budget.limited and not told:
            raise LimbeckError(
                "the server does not tell how many tokens it used, so no budget can be kept",
                where=self.where,
                mend="leave out teacher.budget",
            )

    def _end(self, error: Exception) -> None:
        """The first error is told; the others come from stopping."""
        self.error = self.error or error
        self.stop.set()

    def _exhausted(self, spent: Spent) -> LimbeckError:
        return LimbeckError(
            f"the budget is spent: {self.budget.said(spent)} for {spent.answers:,} answers",
            where=f"teacher.budget, {self.where}",
            mend="raise teacher.budget and run the same command again: every answer is kept, and "
            "it goes on there",
        )
