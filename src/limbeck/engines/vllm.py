"""Generation and scoring with vLLM in this process."""

import importlib
import random
from collections.abc import Iterable, Sequence
from typing import Any

from limbeck.engines.base import Capabilities, Completion, Sampling, Scored, Seed
from limbeck.errors import LimbeckError, RequestError

_SEEDS = 2**63  # vLLM takes what fits into 64 bits with a sign


class VLLMEngine:
    """A model that is loaded from its folder and not trained: vLLM keeps weights of its own.

    vLLM batches by itself, so all prompts are given to it at once. Log-probabilities are those of
    the logits as they come from the model; a padded head takes part in them, and a token beyond the
    tokenizer is an error.

    Args:
        model: Hub id or folder.
        eos: Ids that end a completion; those that the model's own settings name do not count.
        vocabulary: Number of real token ids.
        dtype: Of the weights in memory. vLLM's ``auto`` halves float32, so it is said.
        context: Longest text, prompt and completion together; memory is kept for it.
        revision: Branch, tag or commit of a hub model.
        trust_remote_code: Let the model folder run its own code.

    Raises:
        RequestError: vLLM is not installed.
    """

    def __init__(
        self,
        model: str,
        eos: Iterable[int],
        vocabulary: int,
        *,
        dtype: str,
        context: int | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ):
        try:
            vllm: Any = importlib.import_module("vllm")
        except ImportError:
            raise RequestError(
                "vLLM is not installed",
                where="generation.engine: vllm",
                mend="pip install vllm, or leave engine out; a vLLM server can be teacher.server",
            ) from None
        self.eos, self.vocabulary = sorted(eos), vocabulary
        self._params: Any = vllm.SamplingParams
        self._llm: Any = vllm.LLM(
            model=model,
            revision=revision,
            trust_remote_code=trust_remote_code,
            dtype=dtype,
            max_model_len=context,
            skip_tokenizer_init=True,  # it sees ids only
            enable_prefix_caching=True,
            logprobs_mode="raw_logprobs",
            generation_config="vllm",  # no penalties and filters that the model's folder brings
        )

    @property
    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        context = self._llm.llm_engine.model_config.max_model_len
        return Capabilities(log_probs=True, seed=True, context=int(context))

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed
    ) -> list[Completion]:
        """See `Engine.generate`.

        Raises:
            RequestError: ``sampling`` searches with beams.
            LimbeckError: A token is none of the tokenizer's.
        """
        if sampling.num_beams > 1:
            raise RequestError(
                "vLLM samples, and does not search with beams here",
                where="generation.num_beams",
                mend="leave num_beams out, or generation.engine",
            )
        ways = [
            self._params(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k or -1,
                max_tokens=sampling.max_new_tokens,
                seed=None if sampling.temperature == 0 else own,
                stop_token_ids=self.eos,
                ignore_eos=True,  # the ids above are all that ends
                logprobs=0,  # of the token that was taken
                detokenize=False,
            )
            for own in _seeds(seed, len(prompts))
        ]
        return [self._completion(done.outputs[0]) for done in self._ask(prompts, ways)]

    def score(self, sequences: Sequence[Scored]) -> list[tuple[float, ...]]:
        """See `Engine.score`; a token more than each sequence has to fit into the context."""
        texts = [(*prompt, *completion) for prompt, completion in sequences]
        way = self._params(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        found = []
        for (prompt, completion), done in zip(
            sequences, self._ask(texts, [way] * len(texts)), strict=True
        ):
            shown = done.prompt_logprobs[len(prompt) :]
            found.append(tuple(float(s[t].logprob) for s, t in zip(shown, completion, strict=True)))
        return found

    def close(self) -> None:
        """Give its memory back."""
        self._llm.llm_engine.engine_core.shutdown()
        del self._llm

    def _ask(self, texts: Sequence[Sequence[int]], ways: list[Any]) -> Any:
        asked = [{"prompt_token_ids": list(ids)} for ids in texts]
        return self._llm.generate(asked, ways, use_tqdm=False) if asked else []

    def _completion(self, done: Any) -> Completion:
        tokens = tuple(done.token_ids)
        if tokens and max(tokens) >= self.vocabulary:
            raise LimbeckError(
                f"the model wrote token {max(tokens)}, and its tokenizer has {self.vocabulary:,}",
                where="generation.engine: vllm",
                mend="leave engine out: transformers is told never to draw such tokens",
            )
        log_probs = tuple(float(s[t].logprob) for s, t in zip(done.logprobs, tokens, strict=True))
        return Completion(tokens, log_probs, finished=done.finish_reason == "stop")


def _seeds(seed: Seed, count: int) -> Sequence[int]:
    """One for each prompt."""
    if isinstance(seed, int):
        return [random.Random(f"{seed}/{i}").randrange(_SEEDS) for i in range(count)]
    return [own % _SEEDS for own in seed]
