"""What a teacher cache depends on, in hashes that can be compared before anything is loaded."""

import hashlib
import json
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.caching import Origin
from limbeck.caching.text import digest
from limbeck.models import file_hash, place
from limbeck.recipe import ModelSpec

_PROBE = "The 12 cats' naïve café,\n\tif x != 3.14: 日本語 <|end|>  done"
_GENERATION = (
    "max_new_tokens", "temperature", "top_p", "top_k", "num_beams", "num_return_sequences",
    "only_correct",
)  # fmt: skip
_WORDS = {"model", "adapter", "cache", "sft", "lora", "tokenizer"}


def origin_of(bench: Bench, teacher: ModelSpec | None) -> Origin:
    """Of a cache that this recipe would make now.

    Args:
        bench: What the recipe refers to.
        teacher: The teacher as it is loaded; None where there are no weights.
    """
    recipe, tokenizer = bench.recipe, bench.student.tokenizer
    writes = bench.method.teacher_writes
    settings = {
        "data.max_length": bench.max_length,
        "data.truncation": recipe.data.truncation,
        "data.chat": recipe.data.chat,
        "data.system": recipe.data.system,
        "method.source": "teacher" if writes else "data",
    }
    if writes:
        settings |= {f"generation.{name}": getattr(recipe.generation, name) for name in _GENERATION}
        if recipe.generation.only_correct:
            settings["data.verifier"] = recipe.data.verifier
    rows = bench.sequences["train"]
    return Origin(
        teacher={} if teacher is None else _teacher(teacher, recipe.seed),
        tokenizer={"name": _name(tokenizer), "hash": _tokenizer(tokenizer)},
        template={"hash": _of(tokenizer.chat_template)} if _uses_template(bench) else {},
        settings=settings,
        data={"source": str(recipe.data.source), "hash": digest(rows)},
        seed=recipe.seed,
    )


def _teacher(spec: ModelSpec, seed: int) -> dict[str, str]:
    """A hash of the weights' files; of words, for a hub id and for weights that are drawn here.

    Of a model behind a server, of its name there: the server may move.
    """
    if spec.server is not None:
        return {"name": spec.model or "", "hash": _of("served", spec.model)}
    whole = hashlib.blake2b(digest_size=16)
    words = spec.model_dump(mode="json", exclude=_WORDS, exclude_defaults=True)
    whole.update(json.dumps(words, sort_keys=True).encode())
    for source in (place(spec), spec.adapter):
        folder = Path(source) if source else None
        if folder is None or not folder.is_dir():
            whole.update(str(source).encode())
            continue
        for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")]):
            if file.name.startswith(("tokenizer", "generation")):
                continue
            whole.update(file_hash(file))
    if spec.fresh or spec.model is None:
        whole.update(str(seed).encode())
    name = spec.model or f"{(spec.config or {}).get('model_type')} from scratch"
    return {"name": name, "hash": whole.hexdigest()}


def _tokenizer(tokenizer: Any) -> str:
    return _of(sorted(tokenizer.get_vocab().items()), tokenizer(_PROBE)["input_ids"])


def _uses_template(bench: Bench) -> bool:
    examples = bench.examples.train
    return bool(bench.recipe.data.chat) or bool(
        examples and not isinstance(examples[0].prompt, str)
    )


def _name(tokenizer: Any) -> str:
    return f"{len(tokenizer):,} ids, {Path(tokenizer.name_or_path).name or 'characters'}"


def _of(*values: Any) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()
