"""Every built-in task by name, and tasks of files."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.arithmetic import ARITHMETIC
from limbeck.evaluation.tasks.base import Task
from limbeck.evaluation.tasks.code import CODE
from limbeck.evaluation.tasks.commonsense import COMMONSENSE
from limbeck.evaluation.tasks.instructions import INSTRUCTIONS
from limbeck.evaluation.tasks.medical import MEDICAL

TASKS: dict[str, Task] = {
    t.name: t for t in (*ARITHMETIC, *COMMONSENSE, *MEDICAL, *CODE, *INSTRUCTIONS)
}


def load_task(name_or_path: str | os.PathLike[str]) -> Task:
    """A built-in task, one that a YAML file describes, or one that a Python file defines.

    Args:
        name_or_path: A name of `TASKS`; the path of a ``.yaml`` file; or ``FILE.py:NAME``, where
            the name is a `Task` or a function without arguments that returns one.

    Raises:
        RequestError: There is no such task, or the file describes none.
    """
    name = os.fspath(name_or_path)
    if name in TASKS:
        return TASKS[name]
    if name.lower().endswith((".yaml", ".yml")):
        from limbeck.evaluation.tasks.described import described_task

        return described_task(Path(os.path.expanduser(name)))
    if ".py:" in name:
        found = python_object(name)
        task = found if isinstance(found, Task) else found() if callable(found) else None
        if not isinstance(task, Task):
            raise RequestError(
                f"{name} is no task and returns none, but {type(task or found).__name__}",
                where=name,
                mend="return a limbeck.evaluation.tasks.Task",
            )
        return task
    raise RequestError(
        f"there is no task {name!r}",
        where="tasks",
        mend=f"{did_you_mean(name, TASKS)}; or the path of a .yaml file, or FILE.py:NAME",
    )


def python_object(place: str, folder: Path = Path()) -> Any:
    """What ``FILE.py:NAME`` names; the file is run.

    Raises:
        RequestError: There is no such file, it cannot be run, or has nothing of that name.
    """
    file, _, name = place.rpartition(":")
    path = folder / os.path.expanduser(file)
    if not path.is_file():
        raise RequestError("there is no such file", where=str(path), mend="check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RequestError("not a Python file", where=str(path), mend="name a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file can raise anything
        raise RequestError(
            f"the file cannot be run: {type(error).__name__}: {error}",
            where=str(path),
            mend="run it with python to see where",
        ) from error
    if not hasattr(module, name):
        known = [n for n in vars(module) if not n.startswith("_")]
        raise RequestError(
            f"the file has no {name!r}", where=str(path), mend=did_you_mean(name, known)
        )
    return getattr(module, name)
