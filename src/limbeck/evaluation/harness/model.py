"""Our model in the harness's own wrapper, which also notes what was cut."""

import copy
from collections import deque
from typing import Any

from lm_eval.models.huggingface import HFLM
from torch import Tensor

from limbeck.console import Advance, progress
from limbeck.engines.special_tokens import end_ids

Key = tuple[str, str]


def request_key(arguments: Any) -> Key:
    """What tells one request from another: its prompt, and its continuation or settings."""
    return str(arguments[0]), str(arguments[1:])


class WatchedModel(HFLM):
    """The harness's model of transformers, which tells answers that end from those that are cut.

    Attributes:
        answer_cut: Requests whose answer reached the token limit; see `request_key`.
        context_cut: Requests whose prompt lost its beginning, for want of room.
    """

    def __init__(self, model: Any, tokenizer: Any, batch_size: int):
        # A copy, as the wrapper sets the tokenizer's padding token.
        super().__init__(
            pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=batch_size
        )
        self.answer_cut: set[Key] = set()
        self.context_cut: set[Key] = set()
        self._ends = end_ids(tokenizer, model)
        self._unfinished: deque[bool] = deque()
        self._too_long: deque[bool] = deque()
        self._advance: Advance = _nobody
        self.cache_hook = self  # told of every answer, in the order in which they are made

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        """Note what is known of an answer."""
        del answer
        self._advance(1)
        if kind == "generate_until":
            if self._unfinished.popleft():
                self.answer_cut.add(request_key(request))
            if self._too_long.popleft():
                self.context_cut.add(request_key(request))

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        """Log-probabilities of continuations, with our progress bar."""
        del disable_tqdm
        with progress("harness, likelihoods", len(requests), "texts") as self._advance:
            return super().loglikelihood(requests, disable_tqdm=True)

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> list[float]:
        """Log-probabilities of whole texts, with our progress bar."""
        del disable_tqdm
        with progress("harness, texts", len(requests), "texts") as self._advance:
            return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """Completions, with our progress bar."""
        del disable_tqdm
        with progress("harness, answers", len(requests), "answers") as self._advance:
            return super().generate_until(requests, disable_tqdm=True)

    def tok_batch_encode(
        self,
        strings: list[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Prompts as token ids; those that are too long for what is left to write are noted."""
        ids, mask = super().tok_batch_encode(strings, padding_side, None, truncation)
        if left_truncate_len:
            self._too_long.extend((mask.sum(dim=1) > left_truncate_len).tolist())
            ids, mask = ids[:, -left_truncate_len:], mask[:, -left_truncate_len:]
        return ids, mask

    def _model_generate(
        self, context: Tensor, max_length: int, stop: list[str], **settings: Any
    ) -> Tensor:
        written: Tensor = super()._model_generate(context, max_length, stop, **settings)
        for row in written[:, context.shape[1] :].tolist():
            text = self.tok_decode(row, skip_special_tokens=False)
            ended = written.shape[1] < max_length or not self._ends.isdisjoint(row)
            self._unfinished.append(not ended and not any(s and s in text for s in stop))
        return written

    def _loglikelihood_tokens(self, requests: list[Any], *args: Any, **settings: Any) -> Any:
        for pair, context, continuation in requests:
            if pair is not None and len(context) + len(continuation) > self.max_length + 1:
                self.context_cut.add(request_key(pair))
        return super()._loglikelihood_tokens(requests, *args, **settings)


def _nobody(count: int = 1, note: str = "") -> None:
    del count, note
