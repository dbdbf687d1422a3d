"""Models on tasks, without any training: what ``limbeck eval`` does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from limbeck.console import say
from limbeck.errors import RequestError
from limbeck.evaluation.sandbox import isolation
from limbeck.files import write_json
from limbeck.models import device, fingerprint, load_config, load_model, load_tokenizer
from limbeck.recipe import ModelSpec
from limbeck.run.judges import judge_spec
from limbeck.run.judging import judge_outputs
from limbeck.run.paired import of_tasks
from limbeck.run.saved import is_saved, matched, sampled
from limbeck.run.tasks import (
    Asked,
    Examinee,
    Outcome,
    Wish,
    asked_of,
    harness_of,
    kept,
    put_harness_to,
    put_to,
)

SCHEMA = "limbeck.eval/1"
FILE = "eval.json"


def evaluate(
    models: Sequence[str],
    tasks: Sequence[str],
    output: Path,
    wish: Wish,
    judges: Sequence[str] = (),
) -> dict[str, Any]:
    """Ask models every item of some tasks, and score what they make of them.

    Interrupted, it goes on where it was when it is called again.

    Args:
        models: Each a hub id, a folder, the folder of a run, or a file of saved outputs.
        tasks: Each a name, the path of a ``.yaml`` file or ``FILE.py:NAME``; with ``=PATH`` behind
            it, on the rows of a local file instead of the hub's; or ``harness:NAME``.
        output: Folder; ``eval.json`` has the figures, ``TASK.parquet`` a row for each item, below a
            folder for each model where there are several; of code ``TASK.samples.parquet`` one for
            each program.
        wish: How they are asked.
        judges: Who compares two models' answers to tasks that have no right ones; the first gives
            the result, the others tell how far it is the judge's. ``MODEL@URL``, id or folder.

    Returns:
        What ``eval.json`` holds.

    Raises:
        RequestError: The request is wrong; nothing has been written.
    """
    names = _names(models)
    specs = [judge_spec(words) for words in judges]
    tokenizers = {m: _tokenizer(m) for m in models if not is_saved(m)}
    asked = {m: asked_of(tasks, _in_conversation(tokenizers.get(m), wish), wish) for m in models}
    _check(models, tasks, asked[models[0]], specs)
    _check_code(asked[models[0]], wish)
    files = {m: _saved(m, asked[m][0]) for m in models if is_saved(m)}
    found: dict[str, dict[str, Outcome]] = {}
    for place, name in names.items():
        folder = output if len(models) == 1 else output / name
        if place in files:
            task = asked[place][0]
            found[name] = {task.task.name: kept(task, files[place], folder, unsafe=wish.unsafe)}
        else:
            examinee = open_examinee(ModelSpec(model=place), tokenizers[place])
            found[name] = put_to(examinee, asked[place], folder, wish)
            found[name] |= put_harness_to(examinee, harness_of(tasks), folder, wish)
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "models": {
            name: {"source": m, "fingerprint": fingerprint(ModelSpec(model=m))}
            for m, name in names.items()
        },
        "wish": asdict(wish),
        "tasks": of_tasks(found, list(combinations(names.values(), 2))),
    }
    for a in asked[models[0]]:
        if specs and a.task.kind == "open":
            name = a.task.name
            both = {model: outcomes[name] for model, outcomes in found.items()}
            results["tasks"][name]["judged"] = judged(
                a, both, specs, output / f"{name}-judged", wish
            )
    write_json(output / FILE, results)
    return results


def open_examinee(spec: ModelSpec, tokenizer: Any) -> Examinee:
    """A model that tasks can be put to, loaded."""
    config = load_config(spec, "model", tokenizer).get_text_config()
    weights = load_model(spec, "model", tokenizer, 0, "auto").eval().to(device())
    context = getattr(config, "max_position_embeddings", None)
    return Examinee(weights, tokenizer, fingerprint(spec), context)


def judged(
    asked: Asked,
    found: Mapping[str, Outcome],
    judges: Sequence[ModelSpec],
    folder: Path,
    wish: Wish,
) -> dict[str, Any]:
    """Two models' answers to an open task before the judges; see `judge_outputs`."""
    a, b = found
    said = {n: dict(zip(o.rows["id"], o.rows["output"], strict=True)) for n, o in found.items()}
    questions = {item.id: item.messages[-1].content for item in asked.items}
    size, seed = wish.batch_size, wish.seed
    return judge_outputs(
        questions, said[a], said[b], judges, folder, names=(a, b), batch_size=size, seed=seed
    )


def _saved(place: str, asked: Asked) -> list[Any]:
    return (sampled if asked.task.kind == "code" else matched)(place, asked)


def _names(models: Sequence[str]) -> dict[str, str]:
    """A short name for each, by which folders and figures are told apart."""
    short = {m: Path(m).stem if is_saved(m) else Path(m).name or m for m in models}
    if len(short) < len(models):
        raise RequestError(
            "a model is named twice", where=", ".join(models), mend="name each model once"
        )
    if len(set(short.values())) < len(short):
        short = {m: f"{n}-{i}" for i, (m, n) in enumerate(short.items(), 1)}
    return short


def _tokenizer(model: str) -> Any:
    tokenizer = load_tokenizer(ModelSpec(model=model), "model")
    if tokenizer is None:
        raise RequestError(
            "the model brings no tokenizer", where=model, mend="name a whole model folder"
        )
    return tokenizer


def _in_conversation(tokenizer: Any, wish: Wish) -> bool:
    if wish.chat is not None:
        return wish.chat
    # Of saved outputs nobody knows; what was written can only be read as a letter.
    return tokenizer is None or bool(tokenizer.chat_template)


def _check(
    models: Sequence[str], tasks: Sequence[str], asked: Sequence[Asked], judges: Sequence[ModelSpec]
) -> None:
    if any(map(is_saved, models)) and (len(asked) != 1 or harness_of(tasks)):
        raise RequestError(
            "a file of outputs answers one task",
            where=", ".join(filter(is_saved, models)),
            mend="name the task that it is about, one of ours, and its rows: --tasks gsm8k=test.jsonl",
        )
    if not judges:
        return
    if len(models) != 2:
        raise RequestError(
            f"a judge compares two models, and here {'is one' if len(models) == 1 else f'are {len(models)}'}",
            where="--judge",
            mend="name both: limbeck eval A B --tasks ... --judge J",
        )
    if not any(a.task.kind == "open" for a in asked):
        raise RequestError(
            "a judge is of no use to tasks that have right answers",
            where="--judge",
            mend="leave it out, or ask an open task: alpaca_eval, evol_instruct, ultrafeedback",
        )


def _check_code(asked: Sequence[Asked], wish: Wish) -> None:
    if not any(a.task.kind == "code" for a in asked):
        if wish.samples > 1 or wish.temperature is not None:
            raise RequestError(
                "several answers are drawn to code tasks only, and there is none",
                where="--samples, --temperature",
                mend="leave them out, or ask a code task: humaneval, mbpp, mbpp_sanitized",
            )
    elif isolation(unsafe=wish.unsafe) == "none":
        say(
            "[bold yellow]warning:[/] programs that models wrote run on this machine without a "
            "sandbox: they can read and change what you can"
        )
