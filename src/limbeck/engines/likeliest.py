"""Token ids in, the likeliest tokens at each position out: what some servers tell beside text."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import openai
from numpy.typing import NDArray
from openai import AsyncOpenAI

from limbeck.engines.base import Capabilities
from limbeck.engines.openai_compatible import OpenAICompatible
from limbeck.engines.text import Request, Response
from limbeck.errors import LimbeckError

Shown = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Ids and log-probabilities in nats of the k likeliest tokens at each position, ``[n, k]``."""


class Likeliest(OpenAICompatible):
    """Prompts in place of answers: text completions with vLLM's ``prompt_logprobs``.

    What comes back is of the model itself (temperature 1, no filter), at each token given those
    before it. It is asked as text is, through a store of answers: `of_completion` makes the
    request, `shown_in` reads the response.
    """

    @property
    def capabilities(self) -> Capabilities:
        """See `TextEngine`."""
        return Capabilities(log_probs=True, seed=False)

    async def _complete(self, client: AsyncOpenAI, request: Request, limit: str) -> Response:
        asked = json.loads(str(request.prompt))
        done: Any = await client.completions.create(
            model=request.model,
            prompt=asked["prompt"],
            max_tokens=1,  # no server of this kind takes 0
            temperature=0.0,
            extra_body={"prompt_logprobs": asked["k"]},
        )
        positions = getattr(done.choices[0], "prompt_logprobs", None) if done.choices else None
        if positions is None:
            raise LimbeckError(
                "the server offers no log-probabilities",
                where=self.url,
                mend="serve the model with vLLM, which does; or learn from its text: method: seqkd",
            )
        return Response(
            json.dumps(_read(positions, asked)),
            tokens_in=done.usage.prompt_tokens if done.usage else None,
            tokens_out=done.usage.completion_tokens if done.usage else None,
        )

    def _refused(self, error: openai.APIStatusError) -> LimbeckError:
        refused = super()._refused(error)
        if error.status_code in (401, 403):
            return refused
        return LimbeckError(
            refused.what,
            where=refused.where,
            mend="ask for no more tokens than it shows (--k 20 with vLLM, or start it with "
            "--max-logprobs), of rows one token shorter than its context (data.max_length)",
        )


def of_completion(model: str, prompt: Sequence[int], completion: Sequence[int], k: int) -> Request:
    """Asks for the k likeliest tokens at each position of a completion."""
    return _request(model, [*prompt, *completion], len(prompt), k)


def of_text(model: str, text: str) -> Request:
    """Asks for the server's own ids of a text, behind its first."""
    return _request(model, text, 1, 0)


def shown_in(response: Response) -> Shown:
    """What the server said."""
    found = json.loads(response.text)
    ids = np.array(found["ids"], np.int64)
    return ids, np.array(found["log_p"], np.float64).reshape(ids.shape)


def _request(model: str, prompt: str | list[int], start: int, k: int) -> Request:
    asked = json.dumps({"prompt": prompt, "from": start, "k": k})
    return Request(model, asked, max_new_tokens=1, temperature=0.0, top_p=1.0)


def _read(positions: list[dict[str, dict[str, float]] | None], asked: Any) -> dict[str, Any]:
    """The k likeliest at each position, the likeliest first; of k = 0 the token that stands there.

    A server adds the token that stands there where it is not among them.

    Raises:
        LimbeckError: These are not the tokens that were asked about, or too few.
        ValueError: This is something else.
    """
    count, start = max(1, asked["k"]), asked["from"]
    own = None if isinstance(asked["prompt"], str) else asked["prompt"]
    ids, log_p = [], []
    for i, position in list(enumerate(positions))[start:]:
        said = {int(token): float(one["logprob"]) for token, one in (position or {}).items()}
        if own is not None and own[i] not in said:
            raise ValueError("the server speaks of other tokens")
        best = sorted(said, key=lambda token: (-said[token], token))[:count]
        if len(best) < count:
            raise LimbeckError(
                f"the server shows {len(best)} of the likeliest tokens, and {count} were asked for",
                where=f"position {i} of a text of {len(positions)} tokens",
                mend=f"--k {max(1, len(best) - 1)}",
            )
        ids.append(best)
        log_p.append([said[token] for token in best])
    if own is not None and len(ids) != len(own) - start:
        raise ValueError("the server speaks of other tokens")
    return {"ids": ids, "log_p": log_p}
