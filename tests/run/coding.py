"""Problems of HumanEval's form, a model that cannot solve them, and ``limbeck eval`` on them."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data import character_tokenizer
from limbeck.errors import RequestError
from limbeck.evaluation.sandbox import isolation
from run.tiny import MODEL, invoke

try:
    isolation()
except RequestError as reason:
    apart = pytest.mark.skip(reason=str(reason))
else:
    apart = pytest.mark.filterwarnings("default")

ADD = {
    "prompt": 'def add(a, b):\n    """Their sum."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
ADDS = [ADD | {"task_id": f"HumanEval/{n}"} for n in (900, 901)]
RIGHT, WRONG = "    return a + b\n", "    return a - b\n"


def random_model(folder):
    """A folder of weights that were drawn."""
    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    settings = {k: v for k, v in MODEL.items() if k != "model_type"}
    settings |= {"max_position_embeddings": 512, "vocab_size": len(tokenizer), "pad_token_id": 0}
    LlamaForCausalLM(LlamaConfig(**settings, **ids)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluate(place, tasks, folder, *words):
    done = invoke("eval", place, "--tasks", tasks, "-o", folder / "out", *words)
    return done, folder / "out"


def table(path):
    return pq.read_table(path).to_pydict()


def metrics(output, task, model="said"):
    found = json.loads((output / "eval.json").read_text())["tasks"][task]
    return {n: f["value"] for n, f in found["metrics"][model].items()}, found


def said(folder, *rows):
    return lines(folder / "said.jsonl", [{"id": i, "output": o} for i, o in rows])
