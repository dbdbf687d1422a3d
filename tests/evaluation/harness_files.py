"""Files of lm-evaluation-harness over local rows, and models whose answers are known."""

import json
from pathlib import Path

import torch
import yaml

from limbeck.data.tokenizers import character_tokenizer


def definition(name):
    """The harness's own definition of a task."""
    import lm_eval

    return str(Path(lm_eval.__file__).parent / "tasks" / name)


def written(folder, name, rows, **settings):
    """A harness file over rows of a file beside it."""
    folder.mkdir(exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    described = {
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(folder / "cache")},
        "training_split": None,
        "validation_split": None,
        "test_split": "test",
        "fewshot_split": None,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(described | settings), encoding="utf-8")
    return str(path)


def group(folder, name, tasks, **metric):
    path = folder / f"{name}.yaml"
    wanted = [{"metric": "acc", "filter_list": "none"} | metric]
    path.write_text(
        yaml.safe_dump(
            {
                "group": name,
                "task": tasks,
                "aggregate_metric_list": wanted,
                "metadata": {"version": 2},
            }
        ),
        encoding="utf-8",
    )
    return str(path)


def chain(llama, links):
    """A model of characters that writes after each character the one that `links` gives.

    Its layers do nothing, so the last character alone decides; ``"<eos>"`` ends an answer.
    """
    tokenizer = character_tokenizer()
    width = len(tokenizer) + len(tokenizer) % 2
    model = llama(
        0,
        vocabulary=len(tokenizer),
        hidden=width,
        layers=1,
        max_position_embeddings=128,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "o_proj" in name or "down_proj" in name or "lm_head" in name:
                weight.zero_()
        model.get_input_embeddings().weight.copy_(torch.eye(len(tokenizer), width))
        for before, after in links.items():
            first, second = tokenizer.convert_tokens_to_ids([before, after])
            model.lm_head.weight[second, first] = 1.0
    return model, tokenizer
