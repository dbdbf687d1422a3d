"""A teacher for the tiny recipe, and the recipe in which it writes the text."""

TEACHER = {
    "config": {
        "model_type": "llama",
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,  # or all untrained teachers would say the same: nothing
    },
    "tokenizer": "characters",
}
WRITTEN = {
    "method": {"name": "kd", "source": "teacher"},
    "generation": {"max_new_tokens": 24, "batch_size": 8},
    "data__labelled": 40,
}
