"""Names and files to the harness's tasks: what cannot or must not run is refused before it does."""

import difflib
import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import LimbeckError, RequestError

_FILES = (".yaml", ".yml")
_SANDBOXED = ("humaneval", "mbpp")


@dataclass(frozen=True)
class Found:
    """What a name stands for.

    Attributes:
        tasks: The harness's tasks with their rows, by name.
        groups: The groups of them, the outer before the inner.
    """

    tasks: Mapping[str, Any]
    groups: Mapping[str, Any]


def require() -> None:
    """See that the harness is there, and that it tells nobody what it does.

    Raises:
        RequestError: It is not installed.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise RequestError(
            "lm-evaluation-harness is not installed",
            where="tasks",
            mend='pip install "limbeck[harness]"',
        )
    # Metrics of the evaluate library are counted on the hub otherwise.
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")


def find(name: str) -> Found:
    """The tasks that a name or a file of the harness stands for, with their rows.

    Args:
        name: A task, a group or a tag of the harness; or the path of a ``.yaml`` file of its kind,
            where the file's folder is searched for the tasks that a group names.

    Raises:
        RequestError: There is none of that name, or it runs what a model writes.
        LimbeckError: Its rows cannot be had.
    """
    if name.lower().endswith(_FILES):
        manager, spec = _file(Path(os.path.expanduser(name)).resolve())
    else:
        manager, spec = _defaults(), name
        if name not in manager.task_index:
            raise _unknown(name, manager.all_tasks)
    for task in _leaves(manager.task_index, spec):
        entry = manager.task_index.get(task)
        if entry is not None and (entry.cfg or {}).get("unsafe_code"):
            _refuse_code(task)
    try:
        loaded = manager.load([spec])
    except Exception as error:  # tasks run code of their own, and data sets fail in many ways
        raise _unloaded(name, error) from error
    for task, made in loaded["tasks"].items():
        _check(task, made)
    return Found(loaded["tasks"], loaded.get("groups", {}))


@functools.cache
def _defaults() -> Any:
    """Reading every definition of the harness takes seconds: once a process is enough."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _file(path: Path) -> tuple[Any, str]:
    """What loads a file, and under which name."""
    from lm_eval.tasks import TaskManager

    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestError(
            f"the file cannot be read: {_reason(error)}", where=str(path), mend="check the path"
        ) from error
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    keys = {key.value: value.value for key, value in pairs}
    if not keys.keys() & {"task", "group", "class", "include"}:
        raise RequestError(
            "not a task of lm-evaluation-harness: it names neither a task nor a group",
            where=str(path),
            mend="for a task in Limbeck's own form, leave out harness:",
        )
    if "group" not in keys:
        return TaskManager(include_defaults=False), str(path)
    # A group names others, which are in its folder or the harness's own.
    group = keys["group"]
    manager = TaskManager(include_path=str(path.parent), include_defaults=False)
    index = manager.task_index
    if any(leaf not in index for leaf in _leaves(index, group)):
        index.update({**_defaults().task_index, **index})
    entry = index.get(group)
    if entry is None or entry.yaml_path != path:
        raise RequestError(
            f"the group {group!r} is not this file's alone",
            where=str(path),
            mend="give the group a name that no other file of the folder has",
        )
    return manager, group


def _unknown(name: str, known: list[str]) -> RequestError:
    near = difflib.get_close_matches(name, known, n=5)
    question = f"did you mean {', '.join(near)}? " if near else ""
    return RequestError(
        f"lm-evaluation-harness has no task, group or tag {name!r}",
        where="tasks",
        mend=f"{question}lm-eval ls tasks names them all; a file of your own ends in .yaml",
    )


def _leaves(
    index: Mapping[str, Any], name: str | Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[str]:
    """Names of the tasks below a name, without loading any of them; unknown ones included."""
    children: Any = None
    if isinstance(name, Mapping):  # a group's own settings for a task, or a group within it
        children = name.get("task")
        name = str(name.get("group", children))
    entry = index.get(name)
    if entry is not None and entry.kind.name == "TAG":
        yield from sorted(entry.tags)
        return
    if entry is not None:
        children = (entry.cfg or {}).get("task") if entry.kind.name == "GROUP" else None
    if not isinstance(children, list):
        yield name
    elif name in above:
        raise RequestError(
            f"the group {name} is a part of itself",
            where=f"harness:{above[0]}",
            mend="leave it out",
        )
    else:
        for child in children:
            yield from _leaves(index, child, (*above, name))


def _check(name: str, task: Any) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        _refuse_code(name)
    if getattr(task, "MULTIMODAL", False):
        raise RequestError(
            f"{name} shows pictures or plays sounds, and the model reads text",
            where=f"harness:{name}",
            mend="leave it out",
        )
    metrics = getattr(task, "_metric_fn_list", {})
    missing = [str(m) for m, function in metrics.items() if function is None]
    if missing and task.get_config("process_results") is None:
        raise LimbeckError(
            f"the harness has no metric {', '.join(missing)}, and could not fetch it",
            where=f"harness:{name}",
            mend="check its name, or the connection to the hub",
        )


def _refuse_code(name: str) -> None:
    ours = next((n for n in _SANDBOXED if name.startswith(n)), None)
    raise RequestError(
        f"{name} runs what the model writes, and the harness does that outside any sandbox",
        where=f"harness:{name}",
        mend=f"use our own {ours}, which runs in a sandbox" if ours else "leave it out",
    )


def _unloaded(name: str, error: Exception) -> LimbeckError:
    where, reason = f"harness:{name}", _reason(error)
    if isinstance(error, ImportError):
        return RequestError(
            f"the task needs more than the harness: {reason}",
            where=where,
            mend="install what is missing",
        )
    if "scripts are no longer supported" in reason:
        return RequestError(
            f"the rows come as a program, and none is run: {reason}",
            where=where,
            mend="give a harness .yaml of your own with dataset_path: json and data_files",
        )
    if isinstance(error, OSError):  # unreachable, not found, not allowed: all are OSErrors
        return LimbeckError(
            f"the rows could not be fetched: {reason}",
            where=where,
            mend="check the connection to the hub, or give a harness .yaml of your own with "
            "dataset_path: json and data_files",
        )
    return RequestError(
        f"the harness cannot load it: {reason}", where=where, mend="check the definition"
    )


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
