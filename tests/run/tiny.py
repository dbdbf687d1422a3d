"""A run of a few seconds: two small models, sums of two or three digits, a handful of rows."""

import copy
import functools
import hashlib
import importlib
import itertools
import json
import logging
import multiprocessing
import os
import re
import signal
import warnings
from pathlib import Path

import yaml

MODEL = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
STUDENT = {"config": MODEL, "tokenizer": "characters"}
# Short solutions, so that an untrained teacher has a chance to end one.
DATA = {
    "source": "chain_arithmetic",
    "rows": 96,
    "validation_rows": 12,
    "test_rows": 32,
    "options": {"terms": [2, 3]},
}
TRAINING = {
    "max_steps": 20,
    "learning_rate": 5.0e-3,
    "per_device_train_batch_size": 8,
    "logging_steps": 5,
    "eval_steps": 10,
    "save_steps": 4,
    "use_cpu": True,
}


def request(output, **changes):
    """The tiny recipe, as a mapping; ``None`` takes a key out, ``training__save_steps`` reaches in."""
    found = copy.deepcopy(
        {
            "student": STUDENT,
            "teacher": STUDENT,
            "data": DATA,
            "method": "kd",
            "output": str(output),
            "baseline": "none",
            "training": TRAINING,
            "evaluate": {"max_new_tokens": 16, "samples": 0},
        }
    )
    for name, value in changes.items():
        *sections, key = name.split("__")
        node = found
        for section in sections:
            node = node.setdefault(section, {})
        node[key] = value
        if value is None:
            del node[key]
    return found


def write(path, mapping):
    """A recipe file."""
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path


def tree(folder):
    """Every file below a folder and the hash of what it holds; None where there is no folder."""
    folder = Path(folder)
    if not folder.exists():
        return None
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else "folder"
        for p in sorted(folder.rglob("*"))
    }


def weights_hash(run):
    """Of the student's weights, byte by byte."""
    return hashlib.sha256((Path(run) / "student" / "model.safetensors").read_bytes()).hexdigest()


def numbers(run):
    """What a run found, without times, places and the machine."""
    found = json.loads((Path(run) / "results.json").read_text(encoding="utf-8"))
    kept = ("evaluation", "comparisons", "audit", "text", "data", "models", "seed")
    found = {k: found[k] for k in kept} | {
        "training": {
            arm: {k: v for k, v in log.items() if k != "seconds"} | {"curve": _terms(log["curve"])}
            for arm, log in found["training"].items()
        }
    }
    return json.loads(re.sub(re.escape(str(run)), "RUN", json.dumps(found)))


def _terms(curve):
    """Without transformers' own running loss, which starts anew at a checkpoint."""
    return [{k: v for k, v in point.items() if k != "loss"} for point in curve]


def work(mapping, kill=None, command="distill"):
    """Run a recipe in this process, on one thread.

    Args:
        mapping: The recipe.
        kill: ``(place, word, count)``: die, as by ``kill -9``, at the count-th call of the function
            at that place (``module:Class.function``) that has the word among its arguments.
        command: What is done with the recipe, ``distill``, ``generate`` or ``refine``.
    """
    import torch

    from limbeck.console import console
    from limbeck.recipe import parse_recipe
    from limbeck.run import distill
    from limbeck.run.generating import generate
    from limbeck.run.refining import refine

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    console.quiet = True
    torch.set_num_threads(1)
    if kill is not None:
        _die_at(*kill)
    commands = {"distill": distill, "generate": generate, "refine": refine}
    return commands[command](parse_recipe(mapping))


def invoke(*arguments):
    """The ``limbeck`` command in this process, which is left as it was found."""
    import transformers
    from typer.testing import CliRunner

    from limbeck.cli.app import app
    from limbeck.console import console

    quiet, disabled = console.quiet, logging.root.manager.disable
    verbosity = transformers.logging.get_verbosity()
    try:
        with warnings.catch_warnings():
            return CliRunner().invoke(app, [str(a) for a in arguments])
    finally:
        console.quiet = quiet
        logging.disable(disabled)
        transformers.logging.set_verbosity(verbosity)


def start(mapping, kill=None, command="distill"):
    """A process that runs a recipe; started, and as easy to kill as any.

    A server that has imported everything forks it, so that it takes no ten seconds to begin.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["limbeck.run", "limbeck.training", "peft"])
    child = context.Process(target=work, args=(mapping, kill, command))
    child.start()
    return child


def _die_at(place, word, count):
    module, _, name = place.partition(":")
    *owners, function = name.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, function)
    calls = itertools.count(1)

    @functools.wraps(original)
    def deadly(*args, **kwargs):
        if word in " ".join(map(_described, args)) and next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, function, deadly)


def _described(value):
    """Where a thing writes to."""
    folder = getattr(getattr(value, "trainer", value), "args", value)
    return str(getattr(folder, "output_dir", getattr(value, "path", value)))
