"""Any server that speaks the OpenAI protocol, through the official client."""

import asyncio
import email.utils
import functools
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import openai
from openai import AsyncOpenAI

from limbeck.engines.base import Capabilities
from limbeck.engines.patience import Patience, run_to_end
from limbeck.engines.text import Ask, Request, Response, Unanswered
from limbeck.errors import LimbeckError

KEYS = ("LIMBECK_API_KEY", "OPENAI_API_KEY")
"""Where a key may come from: the environment, and nowhere else."""

_PASSING = (408, 409, 425, 429)
_BRIEFLY = Patience(attempts=3, mend="check teacher.server, and whether the server is running")
_FEW = 8  # names of models in a message


class OpenAICompatible:
    """Chat and text completions; which of the two a request's prompt decides.

    It holds no key: one is read when a connection is opened, and lives as long as that.

    Args:
        url: The API's base, usually ending in ``/v1``.
        timeout_seconds: Longest time that one attempt may take.
    """

    def __init__(self, url: str, timeout_seconds: float):
        self.url, self.timeout_seconds = url.rstrip("/"), timeout_seconds
        self._limit = "max_tokens"

    @property
    def capabilities(self) -> Capabilities:
        """See `TextEngine`."""
        return Capabilities(log_probs=False, seed=True)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ask]:
        """See `TextEngine.open`."""
        async with self._client() as client:
            yield functools.partial(self._attempt, client)

    def models(self) -> list[str] | None:
        """Names of the models that the server lists; None where it has no list.

        Raises:
            LimbeckError: Nobody answers there, or the key is refused.
        """
        return run_to_end(self._models())

    def answer(self, request: Request) -> Response:
        """One answer, to see whether there is one.

        Raises:
            LimbeckError: There is none.
        """
        return run_to_end(self._answer(request))

    def _client(self) -> AsyncOpenAI:
        # The client wants some key; servers that need none do not look. Retries are `Patience`'s.
        return AsyncOpenAI(base_url=self.url, api_key=_key() or "none", max_retries=0, timeout=None)

    async def _models(self) -> list[str] | None:
        async with self._client() as client:
            return await _BRIEFLY.until_answered(lambda: self._listed(client), self.url)

    async def _answer(self, request: Request) -> Response:
        async with self.open() as ask:
            return await _BRIEFLY.until_answered(lambda: ask(request), self.url)

    async def _attempt(self, client: AsyncOpenAI, request: Request) -> Response:
        limit = self._limit
        try:
            async with self._failures():
                return await self._complete(client, request, limit)
        except openai.BadRequestError as error:
            # Reasoning models know the limit by its newer name only.
            if limit == "max_tokens" and "max_completion_tokens" in error.message:
                self._limit = "max_completion_tokens"
                return await self._attempt(client, request)
            raise self._refused(error) from None
        except openai.NotFoundError:
            raise await self._unknown(client, request) from None
        except openai.APIStatusError as error:
            raise self._refused(error) from None

    async def _complete(self, client: AsyncOpenAI, request: Request, limit: str) -> Response:
        how: dict[str, Any] = {
            "model": request.model,
            "temperature": request.temperature,
            "top_p": request.top_p,
        }
        if request.own_seed is not None:
            how["seed"] = request.own_seed
        if isinstance(request.prompt, str):
            how["max_tokens"] = request.max_new_tokens
            done: Any = await client.completions.create(prompt=request.prompt, **how)
        else:
            how[limit] = request.max_new_tokens
            turns: Any = [{"role": m.role, "content": m.content} for m in request.prompt]
            done = await client.chat.completions.create(messages=turns, **how)
        return _read(done, isinstance(request.prompt, str))

    async def _listed(self, client: AsyncOpenAI) -> list[str] | None:
        try:
            async with self._failures():
                found = (await client.models.list()).data
        except (openai.NotFoundError, openai.BadRequestError):
            return None
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        return None if found is None else [model.id for model in found]

    @asynccontextmanager
    async def _failures(self) -> AsyncIterator[None]:
        """Tell failures that may pass from the others, which go through."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                yield
        except (TimeoutError, openai.APITimeoutError):
            raise Unanswered(f"no answer within {self.timeout_seconds:g} seconds") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise Unanswered(_without_key(f"{cause}" or type(cause).__name__)) from None
        except openai.APIStatusError as error:
            passing = error.status_code in _PASSING or error.status_code >= 500
            if not passing or error.code == "insufficient_quota":
                raise
            said = _without_key(error.message)[:200]
            raise Unanswered(said, _wait_seconds(error.response.headers)) from None
        except (ValueError, AttributeError, TypeError, openai.APIResponseValidationError):
            raise Unanswered("the answer is no JSON, or not that of a completion") from None

    def _refused(self, error: openai.APIStatusError) -> LimbeckError:
        said = _without_key(error.message).splitlines()[0][:200]
        if error.status_code in (401, 403):
            named = next((name for name in KEYS if os.environ.get(name)), None)
            return LimbeckError(
                f"the server refuses the key in {named}" if named else "the server wants a key",
                where=f"{self.url}: {said}",
                mend=f"set {KEYS[0]} (or {KEYS[1]}) in the environment; it is never written anywhere",
            )
        return LimbeckError(
            f"the server refuses the request: {said}",
            where=self.url,
            mend="change what it complains about; what was answered is kept",
        )

    async def _unknown(self, client: AsyncOpenAI, request: Request) -> LimbeckError:
        try:
            offered = await self._listed(client)
        except (Unanswered, LimbeckError):
            offered = None
        if offered is None:
            return LimbeckError(
                f"nothing answers for the model {request.model!r} at this address",
                where=self.url,
                mend="give the API's base, which usually ends in /v1 (teacher.server), and the name "
                "that the model has there (teacher.model)",
            )
        if request.model in offered:
            kind = "text completions" if isinstance(request.prompt, str) else "conversations"
            return LimbeckError(
                f"the server offers {request.model!r}, but no {kind}",
                where=self.url,
                mend="set data.chat: true, which asks in conversations"
                if isinstance(request.prompt, str)
                else "leave out data.chat, and give prompts as text",
            )
        more = f" and {len(offered) - _FEW} more" if len(offered) > _FEW else ""
        return LimbeckError(
            f"the server does not offer the model {request.model!r}",
            where=self.url,
            mend=f"teacher.model is one of: {', '.join(offered[:_FEW])}{more}"
            if offered
            else "it lists no model at all: teacher.model must be the name that it was started with",
        )


def _key() -> str | None:
    return next((os.environ[name] for name in KEYS if os.environ.get(name)), None)


def _without_key(text: str) -> str:
    """Servers and libraries may repeat what they were sent."""
    for key in filter(None, map(os.environ.get, KEYS)):
        text = text.replace(key, "[key]")
    return text or "no reason given"


def _read(done: Any, plain: bool) -> Response:
    """Raises AttributeError or TypeError where something else than a completion came back."""
    if not done.choices:
        raise AttributeError("choices")
    (choice, *_), usage = done.choices, done.usage
    text = choice.text if plain else choice.message.content
    return Response(
        # Half a surrogate pair cannot be stored.
        (text or "").encode("utf-8", "replace").decode(),
        choice.finish_reason if text is not None else None,
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
    )


def _wait_seconds(headers: Mapping[str, str]) -> float | None:
    """``Retry-After``: seconds, or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
