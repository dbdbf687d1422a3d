"""The part of vLLM's Python interface that is used, over a transformers model.

Tokens are written one by one, without a cache, by code that shares nothing with the package.
"""

import importlib.machinery
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import torch
from transformers import AutoModelForCausalLM

STARTED = []
"""Every model that was loaded."""


@dataclass
class SamplingParams:
    """Defaults as vLLM has them; an argument that it does not know is an error there too."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 16
    seed: int | None = None
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True


class LLM:
    """Loads a folder, as vLLM does."""

    def __init__(
        self,
        model,
        *,
        revision,
        trust_remote_code,
        dtype,
        max_model_len,
        skip_tokenizer_init,
        enable_prefix_caching,
        logprobs_mode,
        generation_config,
    ):
        assert logprobs_mode == "raw_logprobs" and skip_tokenizer_init
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        listed = self.model.generation_config.eos_token_id
        self.listed = set(listed if isinstance(listed, list) else [listed])
        self.closed, self.calls = False, []
        context = max_model_len or self.model.config.max_position_embeddings
        self.llm_engine = SimpleNamespace(
            model_config=SimpleNamespace(max_model_len=context),
            engine_core=SimpleNamespace(shutdown=self._shutdown),
        )
        STARTED.append(self)

    def _shutdown(self):
        self.closed = True

    @torch.no_grad()
    def generate(self, prompts, sampling_params, use_tqdm=True):
        assert not self.closed and not use_tqdm and len(prompts) == len(sampling_params)
        self.calls.append(list(zip(prompts, sampling_params, strict=True)))
        return [self._one(p["prompt_token_ids"], s) for p, s in self.calls[-1]]

    def _one(self, ids, how):
        assert ids and len(ids) + how.max_tokens <= self.llm_engine.model_config.max_model_len
        generator = torch.Generator()
        if how.seed is not None:
            generator.manual_seed(how.seed)
        ends = set(how.stop_token_ids) | (set() if how.ignore_eos else self.listed)
        tokens, shown, reason = [], [], "length"
        while len(tokens) < how.max_tokens:
            raw = self._log_p([*ids, *tokens])[-1]
            token = _drawn(raw, how, generator)
            tokens.append(token)
            if how.logprobs is not None:
                shown.append(_said(raw, token, how.logprobs))
            if token in ends:
                reason = "stop"
                break
        prompt = None
        if how.prompt_logprobs is not None:
            rows = self._log_p(ids)[:-1]
            said = [_said(r, t, how.prompt_logprobs) for r, t in zip(rows, ids[1:], strict=True)]
            prompt = [None, *said]
        output = SimpleNamespace(
            token_ids=tokens,
            logprobs=shown if how.logprobs is not None else None,
            finish_reason=reason,
        )
        return SimpleNamespace(outputs=[output], prompt_logprobs=prompt)

    def _log_p(self, ids):
        return self.model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)


def _said(row, token, k):
    chosen = [token, *row.topk(k).indices.tolist()]
    return {i: SimpleNamespace(logprob=float(row[i])) for i in chosen}


def _drawn(log_p, how, generator):
    if how.temperature == 0:
        return int(log_p.argmax())
    p = (log_p / how.temperature).softmax(-1)
    order = p.argsort(descending=True)
    kept = order[: how.top_k] if how.top_k > 0 else order
    mass = p[kept].cumsum(0)
    kept = kept[(mass - p[kept]) / mass[-1] < how.top_p]
    return int(kept[torch.multinomial(p[kept], 1, generator=generator)])


def install(monkeypatch):
    """Make ``import vllm`` find this."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    STARTED.clear()
    monkeypatch.setitem(sys.modules, "vllm", module)
    return STARTED
