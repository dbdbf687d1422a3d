"""Tasks of lm-evaluation-harness put to a model, one name after the other, each kept when done."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from limbeck.errors import RequestError
from limbeck.evaluation.harness import PREFIX, HarnessResult, run_harness
from limbeck.files import digest, write_json
from limbeck.run.tasks.answering import Examinee
from limbeck.run.tasks.asked import Outcome, Wish
from limbeck.run.tasks.keeping import write_table


def put_harness_to(
    examinee: Examinee, names: Sequence[str], folder: Path, wish: Wish
) -> dict[str, Outcome]:
    """Ask a model what the harness asks; interrupted, the same call goes on with the next name.

    Args:
        examinee: Who is asked.
        names: Tasks, groups or files of the harness, with ``harness:`` before them.
        folder: ``harness-TASK.parquet`` has a row for each item.
        wish: How they are asked.

    Raises:
        RequestError: The harness is not installed, or does not know a name.
    """
    found: dict[str, Outcome] = {}
    chat = bool(examinee.tokenizer.chat_template) if wish.chat is None else wish.chat
    for name in names:
        path = folder / f"harness-{digest(name)[:12]}.json"
        key = digest(examinee.identity, name, asdict(wish))
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["key"] == key:
                for task, (about, metrics) in known["tasks"].items():
                    table = folder / f"{_file(task)}.parquet"
                    rows = pq.read_table(table).to_pydict() if table.exists() else {}
                    found[task] = Outcome(about, metrics, rows)
                continue
        results = run_harness(
            [name],
            examinee.model,
            examinee.tokenizer,
            chat=chat,
            shots=wish.shots or None,
            limit=wish.limit,
            batch_size=wish.batch_size,
            seed=wish.seed,
        )
        done = {f"{PREFIX}{r.name}": _outcome(r, chat) for r in results}
        if twice := set(done) & set(found):
            raise RequestError(
                f"{', '.join(sorted(twice))} is asked for twice",
                where=name,
                mend="name a task, or a group that it is in, and not both",
            )
        for task, outcome in done.items():
            if outcome.rows:
                write_table(folder / f"{_file(task)}.parquet", outcome.rows)
        write_json(path, {"key": key, "tasks": {t: (o.about, o.metrics) for t, o in done.items()}})
        found |= done
    return found


def _outcome(result: HarnessResult, chat: bool) -> Outcome:
    about = {
        "n": result.n,
        "main": result.main,
        "kind": "harness",
        "shots": result.shots,
        "chat": chat,
        "source": result.source,
        "version": result.version,
        **({"tasks": list(result.tasks)} if result.tasks else {}),
    }
    figures = {name: None if e is None else e.as_dict() for name, e in result.metrics.items()}
    return Outcome(about, figures, dict(result.rows))


def _file(task: str) -> str:
    return task.replace(":", "-").replace("/", "-")
