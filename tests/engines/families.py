"""Tiny models of several families, random, with weights large enough that a slip shows."""

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
)

COMMON = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
CONFIGS = {
    "llama": LlamaConfig(**COMMON),
    "llama, eager": LlamaConfig(**COMMON, attn_implementation="eager"),
    "qwen2": Qwen2Config(**COMMON),
    "mistral, sliding": MistralConfig(**COMMON, sliding_window=6),
    "gemma2, capped and sliding": Gemma2Config(
        **COMMON,
        head_dim=8,
        sliding_window=6,
        final_logit_softcapping=3.0,
        tie_word_embeddings=False,
    ),
    "gpt2": GPT2Config(
        vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.4
    ),
    "opt": OPTConfig(
        **{k: v for k, v in COMMON.items() if "key_value" not in k and "range" not in k},
        ffn_dim=32,
        word_embed_proj_dim=16,
        init_std=0.4,
    ),
}
"""Families that the decoding loop drives."""

OTHERS = {
    "phi3": Phi3Config(**COMMON),
    "mamba": MambaConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=2, state_size=4, pad_token_id=0
    ),
}
"""Families that are left to ``generate``: inputs of their own, a recurrent state."""

DYNAMIC = LlamaConfig(
    **COMMON | {"max_position_embeddings": 8},
    rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
)
"""Its table of positions is renewed by a forward pass over a longer text."""


def build(config, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()
