"""A model in this process that is asked as a server is: text in, text out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from limbeck.data import Example, tokenise
from limbeck.engines.base import Capabilities, Completion, Engine, Sampling
from limbeck.engines.special_tokens import end_ids
from limbeck.engines.text import Ask, Request, Response
from limbeck.errors import LimbeckError


class InProcess:
    """A `TextEngine` over an engine of token ids.

    Requests that wait at the same time are answered together, in one thread beside the loop. Each
    has a seed of its own, so an answer does not depend on the company that it was written in (but
    for rounding, which may tell two equally likely tokens apart): work that was interrupted goes
    on with the answers it would have had.

    A conversation is written with the tokenizer's chat template; without a template, its turns
    stand one below the other with an empty line between.

    Args:
        engine: Makes or finds the engine; called once, when something is asked.
        tokenizer: Of its model.
        batch_size: Requests that are answered together.
    """

    def __init__(self, engine: Callable[[], Engine], tokenizer: Any, batch_size: int):
        self._make, self.tokenizer, self.batch_size = engine, tokenizer, batch_size

    @cached_property
    def engine(self) -> Engine:
        """Who writes."""
        return self._make()

    @property
    def capabilities(self) -> Capabilities:
        """See `TextEngine.capabilities`."""
        return self.engine.capabilities

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ask]:
        """See `TextEngine.open`; errors of the model come as they are."""
        desk = _Desk(self, self.engine.capabilities.context)
        with ThreadPoolExecutor(1, "engine") as thread:
            writing = asyncio.create_task(desk.serve(thread))
            try:
                yield desk.ask
            finally:
                writing.cancel()
                with suppress(asyncio.CancelledError):
                    await writing

    def ids(self, request: Request) -> tuple[int, ...]:
        """What the model reads: as data with this prompt would have it."""
        prompt = request.prompt
        if not isinstance(prompt, str) and not getattr(self.tokenizer, "chat_template", None):
            prompt = "\n\n".join(message.content for message in prompt)
        done = tokenise(
            [Example(prompt)],
            self.tokenizer,
            kind="pairs",
            max_length=None,
            truncation="drop",
            eos=end_ids(self.tokenizer),
        )
        return done.sequences[0].prompt


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A request on the desk.

    Attributes:
        ids: Its prompt.
        sampling: How it is to be continued; what has the same goes into one batch.
        seed: Of its sample.
        answer: Where the completion is put.
    """

    ids: tuple[int, ...]
    sampling: Sampling
    seed: int
    answer: "asyncio.Future[Completion]"


class _Desk:
    """Where requests wait for the next batch."""

    def __init__(self, owner: InProcess, context: int | None):
        self.owner, self.context = owner, context
        self.waiting: list[_Waiting] = []
        self.news = asyncio.Event()

    async def ask(self, request: Request) -> Response:
        ids = self.owner.ids(request)
        answer = asyncio.get_running_loop().create_future()
        sampling = self._sampling(request, len(ids))
        self.waiting.append(_Waiting(ids, sampling, request.own_seed or 0, answer))
        self.news.set()
        done = await answer
        text = self.owner.tokenizer.decode(done.tokens, skip_special_tokens=True)
        reason = "stop" if done.finished else "length"
        return Response(text, reason, len(ids), len(done.tokens))

    async def serve(self, thread: ThreadPoolExecutor) -> None:
        """Answer whatever waits, a batch at a time."""
        loop = asyncio.get_running_loop()
        while True:
            await self.news.wait()
            batch = self._batch()
            found: Sequence[Completion | Exception]
            try:
                found = await loop.run_in_executor(thread, self._write, batch)
            except Exception as error:
                found = [error] * len(batch)
            for one, its in zip(batch, found, strict=True):
                _put(one.answer, its)

    def _batch(self) -> list[_Waiting]:
        """Those like the one that waits longest, off the desk."""
        first = self.waiting[0]
        like = [one for one in self.waiting if one.sampling == first.sampling]
        batch = like[: self.owner.batch_size]
        self.waiting = [one for one in self.waiting if one not in batch]
        if not self.waiting:
            self.news.clear()
        return batch

    def _write(self, batch: list[_Waiting]) -> list[Completion]:
        prompts, seeds = [one.ids for one in batch], [one.seed for one in batch]
        return self.owner.engine.generate(prompts, batch[0].sampling, seeds)

    def _sampling(self, request: Request, length: int) -> Sampling:
        room = request.max_new_tokens
        if self.context is not None:
            room = min(room, self.context - length)
        if room < 1:
            prompt = request.prompt
            text = prompt if isinstance(prompt, str) else prompt[-1].content
            raise LimbeckError(
                f"a prompt has {length:,} tokens, and the model reads and writes {self.context:,}",
                where=f"the prompt that ends in {text[-80:]!r}",
                mend="shorten it, or take a teacher with a longer context",
            )
        return Sampling(room, request.temperature, request.top_p, batch_size=self.owner.batch_size)


def _put(answer: "asyncio.Future[Completion]", found: Completion | Exception) -> None:
    if answer.cancelled():  # nobody waits any more
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
